# SPDX-License-Identifier: BSL-1.0
"""The 400 uneven tasks of workload.hpp in Python's pools."""

import pathlib
import statistics
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from compute import compute, measure, rounds_per_microsecond
import pools


def task_lengths():
    """The same milliseconds in the same order as in workload.hpp."""
    lengths = []
    state = 36
    for _ in range(400):
        state = (state * 1664525 + 1013904223) % 2**32
        lengths.append(min(60.0, 0.2 * ((state + 1) / 2**32) ** (-1 / 1.5)))
    return lengths


def measure_makespan(options, name, rounds, run):
    if not options.wants(name):
        return
    expected = [compute(task) for task in rounds]
    times = []
    for _ in range(options.size(3, 1)):
        time, answers = measure.seconds(lambda: run(rounds))
        assert answers == expected, name
        times.append(time)
    measure.report(name, statistics.median(times) * 1e3, "ms")


def main(kind):
    options = measure.Options()
    rate = rounds_per_microsecond() * options.size(1000, 20)
    rounds = [round(length * rate) for length in task_lengths()]
    with kind(options.workers) as pool:
        pool.map(compute, [1] * 100)

        def by_default(tasks):
            return pool.map(compute, tasks)

        measure_makespan(options, "makespan", rounds, by_default)
        measure_makespan(options, "makespan_longest_last", sorted(rounds), by_default)
        measure_makespan(
            options, "makespan_chunksize_1", rounds, lambda tasks: pool.map(compute, tasks, 1)
        )
