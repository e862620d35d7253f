# SPDX-License-Identifier: BSL-1.0
"""What Python's contenders share: the memory of this process and of all that descend from it."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import measure  # noqa: E402


def no_op(x):
    return x


def family():
    """The numbers of this process and of its descendants."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass  # it has ended meanwhile
    found = [os.getpid()]
    for process in found:
        found.extend(child for child, parent in parents.items() if parent == process)
    return found


def family_memory():
    """In MiB; a page that several of them use counts once (Pss)."""
    total = 0
    for process in family():
        try:
            with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def workers(options, methods, family_with):
    """`family_with(method, count)` is the family's memory while so many workers are there."""
    for method in methods:
        if options.wants(f"worker_{method}"):
            many = options.size(8, 2)
            memory = (family_with(method, many) - family_with(method, 1)) / (many - 1)
            measure.report(f"worker_{method}", memory, "MiB")
