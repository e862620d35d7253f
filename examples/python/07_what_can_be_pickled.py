# SPDX-License-Identifier: BSL-1.0
# What can be sent to another process: in Python it shows when it is tried.
import os
import pickle
import threading
from dataclasses import dataclass


@dataclass
class Point:
    x: float
    y: float
    label: str


class Account:
    def __init__(self, balance=0):
        self.__balance = balance

    def __eq__(self, other):
        return self.__balance == other.__balance


def square(x):
    return x * x


def there_and_back(what, value):
    try:
        same = pickle.loads(pickle.dumps(value)) == value
        print(what + ":", "yes" if same else "changed on the way")
    except TypeError:  # cannot pickle '_thread.lock' object
        print(what + ":", "no")


if __name__ == "__main__":
    there_and_back("a number", 42)
    there_and_back("a string", "text")
    there_and_back("a map of lists", {"a": [1, 2]})
    there_and_back("a plain class", Point(1, 2, "a"))
    there_and_back("a class with private members", Account(7))
    there_and_back("a function", square)
    there_and_back("a lock of threads", threading.Lock())
    with open(os.devnull, "w") as file:
        there_and_back("an open file", file)
