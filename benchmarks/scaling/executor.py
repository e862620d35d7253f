#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same computations in concurrent.futures.ProcessPoolExecutor."""

import workload

if __name__ == "__main__":
    workload.main(workload.pools.Executor)
