#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same tasks in Python's multiprocessing.Pool. Fewer of them: the figures are per task."""

import multiprocessing
import sys
import time

WORKERS = 2


def no_op(x):
    return x


def report(name, start, count):
    print(f"{name} {(time.perf_counter() - start) * 1e9 / count:.6g} ns", flush=True)


def main():
    quick = "--quick" in sys.argv[1:]
    wanted = [name for name in sys.argv[1:] if name != "--quick"]

    def wants(name):
        return not wanted or name in wanted

    def size(full):
        return 200 if quick else full

    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(no_op, range(1000))
        if wants("apply_async"):
            count = size(20000)
            start = time.perf_counter()
            results = [pool.apply_async(no_op, (i,)) for i in range(count)]
            answer = sum(result.get() for result in results)
            report("apply_async", start, count)
            assert answer == sum(range(count))
        if wants("map_chunksize_1"):
            count = size(20000)
            start = time.perf_counter()
            answer = pool.map(no_op, range(count), chunksize=1)
            report("map_chunksize_1", start, count)
            assert answer == list(range(count))
        if wants("map"):
            count = size(1000000)
            numbers = list(range(count))
            start = time.perf_counter()
            answer = pool.map(no_op, numbers)
            report("map", start, count)
            assert answer == numbers
        if wants("imap"):
            count = size(20000)
            start = time.perf_counter()
            answer = list(pool.imap(no_op, range(count), chunksize=1))
            report("imap", start, count)
            assert answer == list(range(count))
        if wants("apply"):
            count = size(5000)
            start = time.perf_counter()
            answer = sum(pool.apply(no_op, (i,)) for i in range(count))
            report("apply", start, count)
            assert answer == sum(range(count))


if __name__ == "__main__":
    main()
