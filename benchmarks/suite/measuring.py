# SPDX-License-Identifier: BSL-1.0
"""Runs the programs of a question in turn, round after round, and collects their figures."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time

from figures import Key, parse
from questions import LABELS

NOT_INSTALLED = 77  # a program's exit code where what it needs is missing, as CTest and automake have it
MODULES = {"loky.py": "joblib", "futures.py": "mpi4py"}  # what scripts import
HERE = pathlib.Path(__file__).resolve().parent.parent
SECONDS_AT_MOST = 600  # a program that takes longer hangs


def label(contender):
    return LABELS.get(contender, contender)


def command(build, question, contender, workers):
    """How to run a contender; None where it was not built or a program is missing."""
    if contender.endswith(".py"):
        script = HERE / question / contender
        module = MODULES.get(contender)
        if not script.exists() or (module and importlib.util.find_spec(module) is None):
            return None
        arguments = [sys.executable, *(("-m", "mpi4py.futures") if contender == "futures.py" else ()), str(script)]
    else:
        program = build / "benchmarks" / f"bench_{question}_{contender}"
        if not os.access(program, os.X_OK):
            return None
        arguments = [str(program)]
    if contender == "mpi" or question == "mpi":
        if shutil.which("mpirun") is None:
            return None
        # Ranks that wait give way: the root and its workers share the CPUs.
        return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1",
                "-n", str((workers or 2) + 1), *arguments]
    return arguments


class Status:
    """One line on a terminal, rewritten; lines elsewhere."""

    def __init__(self, steps):
        self.steps = steps
        self.done = 0
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def show(self, text):
        elapsed = time.monotonic() - self.start
        line = f"[{self.done}/{self.steps}, {elapsed:.0f} s] {text}"
        if self.terminal:
            print(f"\r\x1b[K{line[:100]}", end="", file=sys.stderr, flush=True)

    def step(self):
        self.done += 1

    def say(self, text):
        print(f"\r\x1b[K{text}" if self.terminal else text, file=sys.stderr, flush=True)

    def end(self):
        if self.terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


class Suite:
    """Asks questions.

    `build`: the build folder. `workers`: the numbers of workers. `rounds`: how often, 0 for each
    question's own number. `quick`: only show that everything works."""

    def __init__(self, build, figures, workers, rounds, quick):
        self.build = build
        self.figures = figures
        self.workers = workers
        self.rounds = rounds
        self.quick = quick
        self.failures = []  # programs that ended badly
        self.left_out = set()

    def runs_of(self, question):
        """(contender, workers, command) of one round."""
        runs = []
        for workers in self.workers if question.by_workers else (None,):
            for contender in question.contenders:
                arguments = command(self.build, question.name, contender, workers)
                if arguments is None:
                    self.left_out.add((question.name, contender))
                    continue
                runs.append((contender, workers, arguments))
        return runs

    def rounds_of(self, question):
        return self.rounds or (1 if self.quick else question.rounds)

    def ask(self, questions, answered=lambda: None):
        """Calls `answered` after each question."""
        plan = [(question, self.rounds_of(question), self.runs_of(question)) for question in questions]
        status = Status(sum(rounds * len(runs) for _, rounds, runs in plan))
        for contender in sorted({contender for _, contender in self.left_out}):
            names = ", ".join(sorted(name for name, left in self.left_out if left == contender))
            status.say(f"{label(contender)} is not installed and left out: {names}")
        for question, rounds, runs in plan:
            started = time.monotonic()
            for number in range(rounds):
                for contender, workers, arguments in runs:
                    crew = f", {workers} workers" if workers else ""
                    status.show(f"{question.name}{crew}, round {number + 1} of {rounds}: {label(contender)}")
                    self.run(question.name, contender, workers, arguments, status)
                    status.step()
            status.say(f"{question.name}: {rounds} rounds in {time.monotonic() - started:.0f} s")
            answered()
        status.end()

    def run(self, question, contender, workers, arguments, status):
        arguments = arguments + (["--quick"] if self.quick else [])
        arguments += ["--workers", str(workers)] if workers else []
        try:
            done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=SECONDS_AT_MOST, stdin=subprocess.DEVNULL)
            if done.returncode == NOT_INSTALLED:
                self.left_out.add((question, contender))
                return
            ended = f"ended with {done.returncode}" if done.returncode else None
            output, errors = done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            ended, output, errors = f"did not end in {SECONDS_AT_MOST} s", "", ""
        if ended is not None:
            self.failures.append(f"{question}/{contender} {ended}")
            status.say(f"{' '.join(arguments)}: {ended}\n{errors}")
            return
        for line in output.splitlines():
            name, x, value, unit = parse(line)
            self.figures.add(Key(question, contender.removesuffix(".py") if contender == "multiprocessing.py"
                                 else contender, name, x, workers), value, unit)
