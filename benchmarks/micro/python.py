#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What the same single operations cost in Python."""

import dataclasses
import multiprocessing
import pathlib
import pickle
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import measure  # noqa: E402


@dataclasses.dataclass
class Order:
    number: int
    price: float
    pieces: int
    paid: bool


@dataclasses.dataclass
class Customer:
    name: str
    orders: list
    notes: dict


VALUES = {
    "int": 123456789,
    "aggregate": Order(42, 19.95, 3, True),
    "vector": [i + 0.5 for i in range(1000)],
    "map": {f"key number {i}": i for i in range(100)},
    "nested": Customer(
        "Ada Lovelace",
        [Order(42, 19.95, 3, True) for _ in range(10)],
        {"address": "12 St James's Square", "since": "1843"},
    ),
}


def per_call(options, name, work):
    """Reports the time of a call; `work` runs until it took long enough to measure."""
    if not options.wants(name):
        return
    shortest = options.size(0.05, 0.001)
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            work()
        elapsed = time.perf_counter() - start
        if elapsed >= shortest:
            break
        count *= 4
    measure.report(name, elapsed * 1e9 / count, "ns")


def add_lock(options, name, lock):
    def work():
        lock.acquire()
        lock.release()

    per_call(options, name, work)


def main():
    options = measure.Options()
    for name, value in VALUES.items():
        text = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        assert pickle.loads(text) == value
        per_call(options, f"dumps_{name}", lambda v=value: pickle.dumps(v, pickle.HIGHEST_PROTOCOL))
        per_call(options, f"loads_{name}", lambda t=text: pickle.loads(t))
    add_lock(options, "lock", multiprocessing.Lock())
    add_lock(options, "rlock", multiprocessing.RLock())
    add_lock(options, "semaphore", multiprocessing.Semaphore(1))


if __name__ == "__main__":
    main()
