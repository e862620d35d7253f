#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same task lengths in joblib.Parallel with the backend loky."""

import workload

if __name__ == "__main__":
    workload.main(workload.pools.Loky)
