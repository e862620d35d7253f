# SPDX-License-Identifier: BSL-1.0
"""What Python's contenders share: the first result of a pool, in parents of several sizes."""

import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import measure  # noqa: E402


def no_op(x):
    return x


def nothing():
    pass


def median_time(times, work):
    """The median of what `work()` takes, in seconds."""
    return statistics.median(measure.seconds(work)[0] for _ in range(times))


def starts(options, methods, first_result):
    """`first_result(method)` makes a pool and returns how long its first result took."""
    for mib in options.size((0, 1024), (0,)):
        ballast = bytearray(b"x") * (mib << 20)
        for method in methods:
            name = f"start_{method}"
            if not options.wants(name):
                continue
            times = [first_result(method) for _ in range(options.size(3, 1))]
            if mib == 0:
                measure.report(name, statistics.median(times) * 1e3, "ms")
            measure.report_at(name, mib, statistics.median(times) * 1e3, "ms")
        del ballast
