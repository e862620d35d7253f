#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Bytes to a worker of joblib's loky and back.

They are pickled: joblib maps memory into the workers for arrays of numpy only.
"""

import joblib

import workload


def main():
    # With one job joblib would call the function in this process.
    workers = max(workload.measure.Options().workers, 2)
    with joblib.Parallel(n_jobs=workers, backend="loky", batch_size=1) as parallel:
        workload.run(lambda original: parallel([joblib.delayed(workload.echo)(original)])[0])


if __name__ == "__main__":
    main()
