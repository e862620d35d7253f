# SPDX-License-Identifier: BSL-1.0
"""What Python's contenders do alike: bytes go to a worker process and come back."""

import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import measure  # noqa: E402

MIB = 1 << 20
# No gibibyte: it takes half a minute, and nothing new is seen.
SIZES = (8, 64, 512, 4 << 10, 32 << 10, 256 << 10, 2 * MIB, 16 * MIB, 64 * MIB, 256 * MIB)


def echo(values):
    return values


def payload(size):
    block = os.urandom(min(size, MIB))
    return block * (size // len(block))


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def median_trip(trip, size, times):
    """The median time of `trip(original)`, which returns what came back, in seconds."""
    original = payload(size)
    results = []
    for _ in range(times):
        elapsed, received = measure.seconds(lambda: trip(original))
        assert received == original
        results.append(elapsed)
    return statistics.median(results)


def run(trip):
    """Measures all figures. The curve's name among the options ends in "@"."""
    options = measure.Options()
    trip(b"the workers have started")
    if options.wants("round_trip"):
        time = median_trip(trip, options.size(64, 1) * MIB, options.size(3, 1))
        measure.report("round_trip", time * 1e3, "ms")
    if not options.wants("round_trip@"):
        return
    for size in options.size(SIZES, SIZES[:6:2]):
        if size <= available_memory() // 4:
            times = min(max(16 * MIB // size, 1), options.size(200, 3))
            measure.report_at("round_trip", size, median_trip(trip, size, times) * 1e6, "us")
