# SPDX-License-Identifier: BSL-1.0
# Lambdas cannot be pickled at all: functions of the module, partial, or what fork inherits.
import multiprocessing as mp
import pickle
from functools import partial


def square(x):
    return x * x


def multiply(factor, x):
    return factor * x


def call_inherited(x):
    return inherited(x)


if __name__ == "__main__":
    fork = mp.get_context("fork")
    numbers = [1, 2, 3]
    factor = 3
    inherited = lambda x: factor * x

    with fork.Pool(2) as pool:
        print("sent, without captures:", *pool.map(square, numbers))
        print("sent, with partial:", *pool.map(partial(multiply, 3), numbers))
        try:
            pool.map(lambda x: factor * x, numbers)
        except (pickle.PicklingError, AttributeError):
            print("sent, with captures: refused")
        print("inherited by the workers:", *pool.map(call_inherited, numbers))

    result = fork.Value("i", 0)

    def work():
        result.value = factor * 7

    process = fork.Process(target=work)
    process.start()
    process.join()
    print("inherited by a process:", result.value)
