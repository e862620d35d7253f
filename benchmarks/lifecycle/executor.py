#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long Python's ProcessPoolExecutor takes to its first result."""

import concurrent.futures
import multiprocessing
import time

from workload import measure, no_op, starts


def first_result(method, workers):
    start = time.perf_counter()
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as executor:
        answer = executor.submit(no_op, 7).result()
        elapsed = time.perf_counter() - start
    assert answer == 7
    return elapsed


def main():
    options = measure.Options()
    starts(options, ("fork", "spawn"), lambda method: first_result(method, options.workers))


if __name__ == "__main__":
    main()
