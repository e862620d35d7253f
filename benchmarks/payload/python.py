#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""64 MiB of bytes to a worker of Python's multiprocessing.Pool and back."""

import multiprocessing
import os
import statistics
import sys
import time


def echo(values):
    return values


def main():
    size = (1 if "--quick" in sys.argv[1:] else 64) << 20
    original = os.urandom(1 << 20) * (size >> 20)
    with multiprocessing.Pool(2) as pool:
        pool.apply(echo, (original,))
        times = []
        for _ in range(3):
            start = time.perf_counter()
            received = pool.apply(echo, (original,))
            times.append(time.perf_counter() - start)
            assert received == original
        print(f"round_trip {statistics.median(times) * 1e3:.6g} ms")


if __name__ == "__main__":
    main()
