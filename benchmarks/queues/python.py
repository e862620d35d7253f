#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same queues in Python's multiprocessing. Fewer items: the figures are per item."""

import multiprocessing
import sys
import time


def put_numbers(queue, count):
    for i in range(count):
        queue.put(i)


def put_large(queue, count, size):
    item = b"x" * size
    for _ in range(count):
        queue.put(item)


def numbers(limit, name, count):
    queue = multiprocessing.Queue(limit)
    putter = multiprocessing.Process(target=put_numbers, args=(queue, count))
    start = time.perf_counter()
    putter.start()
    total = sum(queue.get() for _ in range(count))
    print(f"{name} {(time.perf_counter() - start) * 1e9 / count:.6g} ns", flush=True)
    putter.join()
    assert total == count * (count - 1) // 2


def large(count, size=16 << 20):
    queue = multiprocessing.Queue(2)
    putter = multiprocessing.Process(target=put_large, args=(queue, count, size))
    start = time.perf_counter()
    putter.start()
    total = sum(len(queue.get()) for _ in range(count))
    print(f"large {(time.perf_counter() - start) * 1e6 / count:.6g} us", flush=True)
    putter.join()
    assert total == size * count


def main():
    quick = "--quick" in sys.argv[1:]
    wanted = [name for name in sys.argv[1:] if name != "--quick"]

    def wants(name):
        return not wanted or name in wanted

    if wants("unlimited"):
        numbers(0, "unlimited", 200 if quick else 100000)
    if wants("bounded"):
        numbers(100, "bounded", 200 if quick else 50000)
    if wants("large"):
        large(3 if quick else 20)


if __name__ == "__main__":
    main()
