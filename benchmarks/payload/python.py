#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Bytes to a worker of Python's multiprocessing.Pool and back."""

import multiprocessing

import workload


def main():
    with multiprocessing.Pool(workload.measure.Options().workers) as pool:
        workload.run(lambda original: pool.apply(workload.echo, (original,)))


if __name__ == "__main__":
    main()
