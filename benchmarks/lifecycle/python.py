#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long processes of Python's multiprocessing take, and its Pool to a first result."""

import multiprocessing
import os
import signal
import sys
import time

from workload import measure, median_time, no_op, nothing, starts

METHODS = ("fork", "spawn", "forkserver")


def process(context):
    one = context.Process(target=nothing)
    one.start()
    one.join()
    assert one.exitcode == 0


def first_result(method, workers):
    start = time.perf_counter()
    pool = multiprocessing.get_context(method).Pool(workers)
    answer = pool.apply(no_op, (7,))
    elapsed = time.perf_counter() - start
    pool.terminate()
    pool.join()
    assert answer == 7
    return elapsed


def replace(answer):
    os.setsid()  # so that the caller can kill this process and its workers together
    with multiprocessing.get_context("fork").Pool(1) as pool:
        victim = pool.apply(os.getpid)
        start = time.perf_counter()
        os.kill(victim, signal.SIGKILL)
        assert pool.apply(os.getpid) != victim
        answer.send(time.perf_counter() - start)


def replacement(timeout):
    """A worker that is killed while idle may hold the lock of the queue of tasks, and all others
    wait for it for ever. Then there is no figure; the pool's destructor would hang as well."""
    ours, theirs = multiprocessing.Pipe()
    one = multiprocessing.get_context("fork").Process(target=replace, args=(theirs,))
    one.start()
    theirs.close()
    if ours.poll(timeout):
        measure.report("replace_fork_small", ours.recv() * 1e3, "ms")
    else:
        print(f"no figure: nobody had replaced the worker after {timeout} s", file=sys.stderr)
    try:
        os.killpg(one.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    one.join()


def main():
    options = measure.Options()
    for method in METHODS:
        name = f"process_{method}"
        if options.wants(name):
            context = multiprocessing.get_context(method)
            process(context)  # the fork server starts at its first use
            times = options.size(51 if method == "fork" else 5, 1)
            measure.report(name, median_time(times, lambda: process(context)) * 1e6, "us")
    starts(options, METHODS, lambda method: first_result(method, options.workers))
    if options.wants("replace"):
        replacement(options.size(2, 0.3))


if __name__ == "__main__":
    main()
