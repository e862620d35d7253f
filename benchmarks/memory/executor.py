#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The memory of the workers of Python's ProcessPoolExecutor."""

import concurrent.futures
import multiprocessing

from workload import family_memory, measure, no_op, workers


def family_with(method, count):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(count, mp_context=context) as executor:
        # Workers start as work comes in, unless they are spawned.
        assert list(executor.map(no_op, range(100 * count)))[-1] == 100 * count - 1
        assert len(multiprocessing.active_children()) == count
        return family_memory()


def main():
    workers(measure.Options(), ("fork", "spawn"), family_with)


if __name__ == "__main__":
    main()
