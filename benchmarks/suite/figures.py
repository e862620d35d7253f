# SPDX-License-Identifier: BSL-1.0
"""What was measured: every single figure, its median, its spread, and how it is written."""

import json
import statistics
from typing import NamedTuple


class Key(NamedTuple):
    """One figure of one contender. `x`: the place on a curve's axis; `workers`: where it matters."""

    question: str
    contender: str
    name: str
    x: float | None = None
    workers: int | None = None


def parse(line):
    """(name, x, value, unit) of a line "name value unit" or "name@x value unit"."""
    name, value, unit = line.split()
    name, _, x = name.partition("@")
    return name, float(x) if x else None, float(value), unit


class Figures:
    """All values of all keys, in the order in which they came."""

    def __init__(self):
        self.values = {}
        self.units = {}

    def add(self, key, value, unit):
        self.values.setdefault(key, []).append(value)
        self.units[key] = unit

    def __contains__(self, key):
        return key in self.values

    def median(self, key):
        return statistics.median(self.values[key])

    def spread(self, key):
        """Half the distance from the least to the largest, as a part of the median."""
        values, middle = self.values[key], self.median(key)
        return (max(values) - min(values)) / 2 / middle if middle else 0.0

    def points(self, question, contender, name, workers=None):
        """{x: median} of a curve."""
        found = {key.x: self.median(key) for key in self.values
                 if key[:3] == (question, contender, name) and key.x is not None
                 and key.workers == workers}
        return dict(sorted(found.items()))

    def over_workers(self, question, contender, name, x=None):
        """{workers: median}."""
        found = {key.workers: self.median(key) for key in self.values
                 if key[:4] == (question, contender, name, x) and key.workers is not None}
        return dict(sorted(found.items()))

    def save(self, path, machine):
        rows = [{**key._asdict(), "unit": self.units[key], "values": values}
                for key, values in self.values.items()]
        path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=1) + "\n")

    @staticmethod
    def load(path):
        """(figures, machine) of a file that `save` wrote."""
        content = json.loads(path.read_text())
        figures = Figures()
        for row in content["figures"]:
            key = Key(*(row[field] for field in Key._fields))
            for value in row["values"]:
                figures.add(key, value, row["unit"])
        return figures, content["machine"]


LARGER = {"ns": (1e3, "us"), "us": (1e3, "ms"), "ms": (1e3, "s"), "KiB": (1024, "MiB")}
SMALLER = {"s": (1e3, "ms"), "ms": (1e3, "us"), "us": (1e3, "ns")}


def show(value, unit):
    """A value with three digits and the unit that suits it."""
    while abs(value) >= 1000 and unit in LARGER:
        factor, unit = LARGER[unit]
        value /= factor
    while 0 < abs(value) < 1 and unit in SMALLER:
        factor, unit = SMALLER[unit]
        value *= factor
    digits = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return f"{digits} {unit}"


def show_bytes(size):
    size = int(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size} {unit}"
        size //= 1024
    raise AssertionError


def show_count(number):
    return f"{int(number):,}"


def show_length(microseconds):
    return show(microseconds, "us")
