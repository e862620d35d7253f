# SPDX-License-Identifier: BSL-1.0
"""What the Python contenders share with measure.hpp: the options, and lines of "name value unit"."""

import sys
import time


class Options:
    """`--quick`, `--workers N`, and the names of the measurements wanted (all where none is)."""

    def __init__(self, arguments=None):
        self.quick = False
        self.workers = 2
        self.wanted = []
        rest = iter(sys.argv[1:] if arguments is None else arguments)
        for argument in rest:
            if argument == "--quick":
                self.quick = True
            elif argument == "--workers":
                self.workers = int(next(rest))
            else:
                self.wanted.append(argument)

    def size(self, full, quick):
        return quick if self.quick else full

    def wants(self, name):
        return not self.wanted or name in self.wanted


def seconds(work):
    """How long `work()` takes, and what it returns."""
    start = time.perf_counter()
    answer = work()
    return time.perf_counter() - start, answer


def report(name, value, unit):
    print(f"{name} {value:.6g} {unit}", flush=True)


def report_at(name, x, value, unit):
    print(f"{name}@{x:.12g} {value:.6g} {unit}", flush=True)


def report_percentiles(name, latencies, unit):
    """The latencies of which 50, 90, 99, 99.9 and 100 % are not longer."""
    ordered = sorted(latencies)
    for percentage in (50, 90, 99, 99.9, 100):
        report_at(name, percentage, ordered[round(percentage / 100 * (len(ordered) - 1))], unit)
