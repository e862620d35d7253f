#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The memory of workers of Python's Pool, and of all processes while imap works on long input."""

import multiprocessing

from workload import family_memory, measure, no_op, workers


def family_with(method, count):
    with multiprocessing.get_context(method).Pool(count) as pool:
        assert pool.map(no_op, range(1000 * count))[-1] == 1000 * count - 1
        return family_memory()


def imap_growth(workers_, count):
    """The pool keeps results until they are asked for: here at once, so there should be few."""
    with multiprocessing.Pool(workers_) as pool:
        pool.map(no_op, range(1000))
        before = most = family_memory()
        for i, result in enumerate(pool.imap(no_op, range(count))):
            assert result == i
            if (i + 1) % (count // 20) == 0:
                most = max(most, family_memory())
    return most - before


def main():
    options = measure.Options()
    workers(options, ("fork", "spawn", "forkserver"), family_with)
    if options.wants("imap_memory@"):
        for count in options.size((10_000, 100_000), (2_000,)):
            measure.report_at("imap_memory", count, imap_growth(options.workers, count), "MiB")


if __name__ == "__main__":
    main()
