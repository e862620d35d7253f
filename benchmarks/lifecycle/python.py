#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long Python's multiprocessing.Pool(2) takes to its first result."""

import multiprocessing
import statistics
import sys
import time


def no_op(x):
    return x


def first_result(method):
    start = time.perf_counter()
    pool = multiprocessing.get_context(method).Pool(2)
    answer = pool.apply(no_op, (7,))
    elapsed = time.perf_counter() - start
    pool.terminate()
    pool.join()
    assert answer == 7
    return elapsed


def main():
    samples = 1 if "--quick" in sys.argv[1:] else 5
    for method in ("fork", "spawn", "forkserver"):
        times = [first_result(method) for _ in range(samples)]
        print(f"start_{method} {statistics.median(times) * 1e3:.6g} ms", flush=True)


if __name__ == "__main__":
    main()
