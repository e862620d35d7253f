#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Asks the questions of the suite and writes docs/benchmarks.md with its pictures."""

import argparse
import datetime
import os
import pathlib
import platform
import subprocess
import sys

from document import Document
from figures import Figures
from measuring import Suite
from questions import QUESTIONS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def output_of(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    except OSError:
        return ""
    return done.stdout.strip()


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / (1 << 30):.0f} GiB"


def compiler(build):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CMAKE_CXX_COMPILER:"):
            version = output_of(line.partition("=")[2], "--version").splitlines()
            return f"{version[0] if version else '?'}, -O2"
    return "?"


def describe_machine(build):
    changed = " with changes" if output_of("git", "status", "--porcelain", "--", "include", "benchmarks") else ""
    arguments = " ".join(["benchmarks/run.sh", *sys.argv[2:]])
    return {
        "machine": f"{processor()}, {os.cpu_count()} CPUs, {memory()}, Linux {platform.release()}",
        "compiler": compiler(build),
        "Python": platform.python_version(),
        "commit": (output_of("git", "rev-parse", "--short", "HEAD") or "?") + changed,
        "command": f"`bash {arguments}`",
        "date": f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f} at the start",
    }


def worker_counts(asked, cpus):
    if asked:
        return sorted(set(asked))
    counts = {2 * cpus, cpus}
    power = 1
    while power < cpus:
        counts.add(power)
        power *= 2
    return sorted(counts)


def arguments():
    names = [question.name for question in QUESTIONS]
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--question", action="append", choices=names, metavar="NAME",
                        help="ask this question, and no other that is not named: " + ", ".join(names))
    parser.add_argument("--workers", action="append", type=int, metavar="N",
                        help="instead of 1, 2, 4 ... all CPUs and twice as many")
    parser.add_argument("--rounds", type=int, default=0, metavar="N", help="instead of each question's own number")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep every single figure here")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE",
                        help="measure nothing: write the report of the figures that --json kept")
    parser.add_argument("--output", type=pathlib.Path, metavar="FOLDER",
                        help="where benchmarks.md and its pictures go: docs/ where every question is asked in full, "
                             "else build/benchmarks/")
    given = parser.parse_args()
    if any(number < 1 for number in given.workers or []):
        parser.error("--workers wants a number of at least 1")
    return given


def draw(questions, figures, folder, cpus):
    """{question: [(title, name)]}; nothing where matplotlib is missing."""
    try:
        from plots import Pictures
    except ImportError:
        print("no pictures: python3-matplotlib is not installed", file=sys.stderr)
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    pictures = Pictures(figures, folder, cpus)
    return {question.name: pictures.draw(question) for question in questions}


def main():
    given = arguments()
    cpus = len(os.sched_getaffinity(0))
    questions = [question for question in QUESTIONS if not given.question or question.name in given.question]
    failures = []
    if given.source:
        figures, machine = Figures.load(given.source)
    else:
        figures, machine = Figures(), describe_machine(given.build)
        suite = Suite(given.build, figures, worker_counts(given.workers, cpus), given.rounds, given.quick)
        # Whoever breaks off keeps the figures of the questions that were answered: --from.
        suite.ask(questions, lambda: given.json and figures.save(given.json, machine))
        failures = suite.failures

    whole = not (given.question or given.quick or given.workers)
    folder = given.output or (ROOT / "docs" if whole or given.source else ROOT / "build" / "benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(questions, figures, folder / "benchmarks", cpus)
    report = folder / "benchmarks.md"
    report.write_text(Document(figures, machine, given.quick, cpus).write(questions, pictures))
    print(report)
    if failures:
        sys.exit("failed: " + "; ".join(failures))


if __name__ == "__main__":
    main()
