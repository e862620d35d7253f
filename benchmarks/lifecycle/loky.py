#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How long joblib's loky takes to its first result: its workers are interpreters started anew."""

import time

import joblib
from joblib.externals.loky import get_reusable_executor

from workload import measure, no_op, starts


def first_result(workers):
    start = time.perf_counter()
    answers = joblib.Parallel(n_jobs=workers, backend="loky")([joblib.delayed(no_op)(7)])
    elapsed = time.perf_counter() - start
    get_reusable_executor().shutdown(wait=True, kill_workers=True)
    assert answers == [7]
    return elapsed


def main():
    options = measure.Options()
    # With one job joblib would call the function in this process.
    workers = max(options.workers, 2)
    starts(options, ("spawn",), lambda method: first_result(workers))


if __name__ == "__main__":
    main()
