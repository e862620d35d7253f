#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same locks in Python's multiprocessing. Fewer rounds: the figures are per round."""

import multiprocessing
import sys
import time


def uncontended(count):
    lock = multiprocessing.Lock()
    start = time.perf_counter()
    for _ in range(count):
        lock.acquire()
        lock.release()
    print(f"uncontended {(time.perf_counter() - start) * 1e9 / count:.6g} ns", flush=True)


def count_up(counter, count):
    for _ in range(count):
        with counter.get_lock():
            counter.value += 1


def increments(count):
    counter = multiprocessing.Value("q", 0)
    processes = [multiprocessing.Process(target=count_up, args=(counter, count)) for _ in range(2)]
    start = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print(f"increments {(time.perf_counter() - start) * 1e9 / (2 * count):.6g} ns", flush=True)
    assert counter.value == 2 * count


def main():
    quick = "--quick" in sys.argv[1:]
    wanted = [name for name in sys.argv[1:] if name != "--quick"]

    def wants(name):
        return not wanted or name in wanted

    if wants("uncontended"):
        uncontended(1000 if quick else 200000)
    if wants("increments"):
        increments(1000 if quick else 100000)


if __name__ == "__main__":
    main()
