#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same computations in Python's multiprocessing.Pool."""

import workload

if __name__ == "__main__":
    workload.main(workload.pools.Multiprocessing)
