# SPDX-License-Identifier: BSL-1.0
"""Many tasks of the same length in Python's pools: the figures of workload.hpp, from fewer tasks."""

import pathlib
import statistics
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from compute import compute, measure, rounds_per_microsecond
import pools

MOST_TASKS = {"": 4000, "_chunksize_1": 1000}  # by the suffix of the figures


def task_lengths(options):
    if options.quick:
        return (100, 1000)
    return (10, 20, 50, 100, 200, 500, 1000, 10000, 100000)


def task_count(options, suffix, length):
    wall = options.size(5e4, 2e3)
    fours = min(round(wall / length / 4), MOST_TASKS[suffix] // (4 * options.workers))
    return options.workers * (4 * fours if fours else 2)


def seconds_alone(options, rounds, length):
    """How long one task takes in this process without a pool: enough of them for 10 ms."""
    count = round(max(1, options.size(1e4, 5e2) / length))
    time, _ = measure.seconds(lambda: [compute(rounds) for _ in range(count)])
    return time / count


def run_lengths(options, suffix, run):
    """What a task costs each worker, and how much of that is its work, for each length."""
    if not options.wants("task" + suffix) and not options.wants("efficiency" + suffix):
        return
    rate = rounds_per_microsecond()
    for length in task_lengths(options):
        rounds = max(1, round(length * rate))
        tasks = [rounds] * task_count(options, suffix, length)
        expected = [compute(rounds)] * len(tasks)
        costs = []
        efficiencies = []
        before = seconds_alone(options, rounds, length)
        for _ in range(options.size(3, 1)):
            time, answers = measure.seconds(lambda: run(tasks))
            assert answers == expected
            # The lesser one: a disturbance only ever makes it longer.
            after = seconds_alone(options, rounds, length)
            cost = time * options.workers / len(tasks)
            costs.append(cost * 1e6)
            efficiencies.append(min(before, after) / cost * 100)
            before = after
        measure.report_at("task" + suffix, length, statistics.median(costs), "us")
        measure.report_at("efficiency" + suffix, length, statistics.median(efficiencies), "%")


def main(kind):
    options = measure.Options()
    with kind(options.workers) as pool:
        pool.map(compute, [1] * 100)
        run_lengths(options, "", lambda tasks: pool.map(compute, tasks))
        run_lengths(options, "_chunksize_1", lambda tasks: pool.map(compute, tasks, 1))
