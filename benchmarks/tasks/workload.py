# SPDX-License-Identifier: BSL-1.0
"""What a task costs in Python's pools: the figures of workload.hpp, from fewer tasks."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import measure
import pools

CHUNKSIZES = (1, 8, 64, 512, 4096)


def no_op(x):
    return x


def report_each(name, seconds, count):
    measure.report(name, seconds * 1e9 / count, "ns")


def apply_async(pool, count):
    promised = [pool.apply_async(no_op, i) for i in range(count)]
    return [get() for get in promised]


def measure_apply(options, pool, count):
    if options.wants("apply"):
        time, answer = measure.seconds(lambda: sum(pool.apply(no_op, i) for i in range(count)))
        assert answer == sum(range(count))
        report_each("apply", time, count)
    if options.wants("apply_latency"):
        latencies = []
        for i in range(count):
            time, answer = measure.seconds(lambda: pool.apply(no_op, i))
            assert answer == i
            latencies.append(time * 1e6)
        measure.report_percentiles("apply_latency", latencies, "us")


def measure_map_chunksize(options, pool, size):
    for chunksize in CHUNKSIZES:
        single = chunksize == 1 and options.wants("map_chunksize_1")
        curve = options.wants("map_chunksize")
        if not single and not curve:
            continue
        count = size(20000 if chunksize == 1 else 100000)
        time, answer = measure.seconds(lambda: pool.map(no_op, range(count), chunksize))
        assert answer == list(range(count))
        if single:
            report_each("map_chunksize_1", time, count)
        if curve:
            measure.report_at("map_chunksize", chunksize, time * 1e9 / count, "ns")


def measure_map(options, pool, size):
    if options.wants("map"):
        count = size(1000000)
        numbers = list(range(count))
        time, answer = measure.seconds(lambda: pool.map(no_op, numbers))
        assert answer == numbers
        report_each("map", time, count)


def main(kind):
    options = measure.Options()

    def size(full):
        return options.size(full, 200) // kind.fewer

    with kind(options.workers) as pool:
        pool.map(no_op, range(1000))
        if hasattr(pool, "apply_async") and options.wants("apply_async"):
            count = size(20000)
            time, answer = measure.seconds(lambda: apply_async(pool, count))
            assert answer == list(range(count))
            report_each("apply_async", time, count)
        measure_map_chunksize(options, pool, size)
        measure_map(options, pool, size)
        if hasattr(pool, "imap") and options.wants("imap"):
            count = size(20000)
            time, answer = measure.seconds(lambda: pool.imap(no_op, range(count)))
            assert answer == list(range(count))
            report_each("imap", time, count)
        if hasattr(pool, "apply"):
            measure_apply(options, pool, size(4000))
