#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs all benchmark programs in turn, several rounds, and prints one table of medians.

usage: report.py BUILD-FOLDER [--quick] [--rounds N] [QUESTION...]

Each program prints lines of "name value unit". The contenders of one question run one after the
other in every round, so that a noisy minute hits them all; ratios are those of the medians.
"""

import argparse
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Question: its contenders. A name that ends in .py is a script, others are programs
# bench_<question>_<name>.
CONTENDERS = {
    "tasks": ["multiprocessing", "threads", "python.py"],
    "payload": ["multiprocessing", "copies", "python.py"],
    "lifecycle": ["multiprocessing", "python.py"],
    "load": ["multiprocessing"],
    "queues": ["multiprocessing", "python.py"],
    "connection": ["multiprocessing", "socketpair", "python.py"],
    "managers": ["multiprocessing", "python.py", "redis"],
    "locks": ["multiprocessing", "python.py"],
}

OURS = "multiprocessing"
PYTHON = "python.py"

# Question, text, our figure, contender and its figure, largest ratio allowed.
RATIOS = [
    ("tasks", "apply_async and get, a task", "apply_async", "threads", "apply_async", 0.5),
    ("tasks", "", "apply_async", PYTHON, "apply_async", 1 / 40),
    ("tasks", "map, chunksize 1, an item", "map_chunksize_1", PYTHON, "map_chunksize_1", 1 / 40),
    ("tasks", "map, default chunks, an item", "map", PYTHON, "map", None),
    ("tasks", "imap, chunksize 1, an item", "imap", PYTHON, "imap", 1 / 20),
    ("tasks", "apply, one at a time", "apply", PYTHON, "apply", 1 / 20),
    ("tasks", "  against std::async(...).get()", "apply", "threads", "async_get", 1.0),
    ("tasks", "  against asio, one at a time", "apply", "threads", "apply", None),
    ("payload", "64 MiB there and back", "round_trip", "copies", "two_copies", 2.5),
    ("payload", "", "round_trip", PYTHON, "round_trip", 1 / 5),
    ("lifecycle", "Pool(2) to first result, fork", "start_fork", PYTHON, "start_fork", 1 / 3),
    ("lifecycle", "Pool(2) to first result, spawn", "start_spawn", PYTHON, "start_spawn", 1 / 5),
    ("lifecycle", "  forkserver", "start_forkserver", PYTHON, "start_forkserver", None),
    ("lifecycle", "replacing, fork, 1 GiB parent", "replace_fork_1GiB", OURS, "plain_fork_1GiB", 1.2),
    ("lifecycle", "  small parent", "replace_fork_small", OURS, "plain_fork_small", None),
    ("lifecycle", "replacing, spawn, 1 GiB / small", "replace_spawn_1GiB", OURS, "replace_spawn_small", 1.25),
    ("lifecycle", "replacing, forkserver, same", "replace_forkserver_1GiB", OURS, "replace_forkserver_small", 1.25),
    ("queues", "unlimited, an integer", "unlimited", PYTHON, "unlimited", 1 / 40),
    ("queues", "at most 100, an integer", "bounded", PYTHON, "bounded", None),
    ("queues", "16 MiB items", "large", PYTHON, "large", 1 / 10),
    ("locks", "acquire and release, alone", "uncontended", OURS, "robust_mutex", 2.0),
    ("locks", "", "uncontended", PYTHON, "uncontended", None),
    ("locks", "  RLock", "uncontended_rlock", OURS, "robust_mutex", None),
    ("locks", "2 processes, an increment", "increments", PYTHON, "increments", 1 / 20),
    ("locks", "Event.set to wake-up", "wake_up", OURS, "futex_wake_up", 1.2),
    ("managers", "d[k] = v, one client", "set", PYTHON, "set", 1 / 3),
    ("managers", "", "set", "redis", "set", None),
    ("managers", "v = d[k]", "get", PYTHON, "get", None),
    ("managers", "", "get", "redis", "get", None),
    ("managers", "d[k] = v, 4 clients / one", "set_4_clients", PYTHON, "set", 1 / 3),
    ("managers", "  4 clients / 4", "set_4_clients", PYTHON, "set_4_clients", None),
    ("managers", "", "set_4_clients", "redis", "set_4_clients", None),
    ("managers", "an increment, atomic", "increment", PYTHON, "increment", None),
    ("managers", "", "increment", "redis", "increment", None),
    ("managers", "update of 10,000, a pair / d[k] = v", "update", PYTHON, "set", 1 / 50),
    ("managers", "  update / update", "update", PYTHON, "update", None),
    ("managers", "", "update", "redis", "update", None),
    ("connection", "16 bytes there and back", "ping_pong_16", "socketpair", "ping_pong_16", 1.2),
    ("connection", "", "ping_pong_16", PYTHON, "ping_pong_16", None),
    ("connection", "4 KiB there and back", "ping_pong_4KiB", "socketpair", "ping_pong_4KiB", 1.2),
    ("connection", "1 MiB there and back", "ping_pong_1MiB", "socketpair", "ping_pong_1MiB", None),
    ("connection", "an integer there and back", "ping_pong_int", PYTHON, "ping_pong_int", None),
    ("connection", "stream of 16 bytes", "stream_16", "socketpair", "stream_16", 1.5),
    ("connection", "", "stream_16", PYTHON, "stream_16", None),
    ("connection", "stream of 4 KiB", "stream_4KiB", "socketpair", "stream_4KiB", 1.5),
    ("connection", "stream of 1 MiB", "stream_1MiB", "socketpair", "stream_1MiB", None),
    ("load", "8 workers on busy CPUs", "busy_8_workers", OURS, "busy_2_workers", 1.15),
]

# Question, text, our figure, largest value allowed.
LIMITS = [
    ("locks", "acquire and release, alone", "uncontended", 40),
    ("tasks", "map, default chunks, an item", "map", 10),
    ("queues", "unlimited, an integer", "unlimited", 250),
    ("queues", "at most 100, an integer", "bounded", 1000),
    ("load", "idle pool, CPU", "idle", 1),
    ("load", "imap, ten million items, growth", "imap_memory_growth", 16),
    ("load", "  memory of all processes", "imap_memory", None),
    ("load", "  an item", "imap_endless", None),
]


def command(build, question, contender):
    if contender.endswith(".py"):
        return [sys.executable, str(HERE / question / contender)]
    name = f"bench_{question}_{contender}"
    found = [p for p in build.rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        sys.exit(f"{name} was not built in {build}")
    return [str(found[0])]


def measure(arguments, quick):
    """Runs one program; its figures as {name: (value, unit)}."""
    if quick:
        arguments = arguments + ["--quick"]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, text=True, timeout=600)
    if done.returncode != 0:
        print(f"{' '.join(arguments)} failed with {done.returncode}", file=sys.stderr)
    figures = {}
    for line in done.stdout.splitlines():
        name, value, unit = line.split()
        figures[name] = (float(value), unit)
    return figures, done.returncode == 0


def show(value, unit):
    if unit == "ns" and value >= 1e6:
        value, unit = value / 1e6, "ms"
    elif unit == "ns" and value >= 1e3:
        value, unit = value / 1e3, "us"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


class Results:
    def __init__(self):
        self.values = {}
        self.units = {}

    def add(self, question, contender, figures):
        for name, (value, unit) in figures.items():
            self.values.setdefault((question, contender, name), []).append(value)
            self.units[question, contender, name] = unit

    def median(self, *key):
        return statistics.median(self.values[key]) if key in self.values else None

    def shown(self, *key):
        return show(self.median(*key), self.units[key])

    def spread(self, *key):
        low, high = min(self.values[key]), max(self.values[key])
        return f"{show(low, self.units[key])} - {show(high, self.units[key])}"


def status(text=""):
    """One line on the terminal, rewritten; none where stderr is a file."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def row(text, ours, spread, contender, theirs, ratio, target, verdict):
    print(f"{text:<33} {ours:>9} {spread:>21}  {contender:<16} {theirs:>9} {ratio:>8} {target:>8}  {verdict}")


def table(results, asked, quick):
    """Prints the rows of one question; whether every target was reached. A quick run is too short
    to say."""
    reached = True

    def judge(good):
        nonlocal reached
        if quick:
            return ""
        reached = reached and good
        return "ok" if good else "MISSED"

    for question, text, ours, contender, theirs, target in RATIOS:
        key, other = (question, OURS, ours), (question, contender, theirs)
        if question != asked:
            continue
        if results.median(*key) is None or results.median(*other) is None:
            row(text, "-", "", contender, "-", "", "", judge(target is None))
            continue
        ratio = results.median(*key) / results.median(*other)
        against = theirs if contender == OURS else contender.removesuffix(".py")
        verdict = "" if target is None else judge(ratio <= target)
        row(text, results.shown(*key), results.spread(*key), against[:16], results.shown(*other),
            f"{ratio:.3f}", "" if target is None else f"<= {target:.3g}", verdict)
    for question, text, ours, limit in LIMITS:
        key = (question, OURS, ours)
        if question != asked:
            continue
        if results.median(*key) is None:
            row(text, "-", "", "", "", "", "", judge(limit is None))
            continue
        verdict = "" if limit is None else judge(results.median(*key) <= limit)
        row(text, results.shown(*key), results.spread(*key), "", "", "",
            "" if limit is None else f"<= {limit}", verdict)
    sys.stdout.flush()
    return reached


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="only shows that everything works")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("questions", nargs="*", default=[], metavar="QUESTION")
    options = parser.parse_intermixed_args()
    questions = options.questions or list(CONTENDERS)
    if unknown := set(questions) - set(CONTENDERS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    rounds = options.rounds or (1 if options.quick else 5)

    print(f"{datetime.date.today()}, {os.cpu_count()} CPUs, Linux {platform.release()}, "
          f"Python {platform.python_version()}, {rounds} rounds, load {os.getloadavg()[0]:.1f}\n")
    row("", "median", "min - max", "contender", "median", "ratio", "target", "")
    results = Results()
    ended_well = reached = True
    for question in questions:
        for number in range(rounds):
            for contender in CONTENDERS[question]:
                status(f"{question}, round {number + 1} of {rounds}: {contender}")
                figures, good = measure(command(options.build, question, contender), options.quick)
                ended_well = ended_well and good
                results.add(question, contender, figures)
        status()
        reached = table(results, question, options.quick) and reached
    if not ended_well:
        sys.exit("a program failed")
    if not reached:
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
