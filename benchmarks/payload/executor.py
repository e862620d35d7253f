#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Bytes to a worker of Python's ProcessPoolExecutor and back."""

import concurrent.futures

import workload


def main():
    workers = workload.measure.Options().workers
    with concurrent.futures.ProcessPoolExecutor(workers) as executor:
        workload.run(lambda original: executor.submit(workload.echo, original).result())


if __name__ == "__main__":
    main()
