#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same tasks in mpi4py.futures: mpirun -n 3 python3 -m mpi4py.futures futures.py"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "tasks"))
import workload
from mpi4py.futures import MPIPoolExecutor


class Futures(workload.pools.Executor):
    """mpi4py.futures.MPIPoolExecutor, whose workers are the other ranks"""

    def __init__(self, workers):
        self.workers = workers
        self.pool = MPIPoolExecutor(workers)


if __name__ == "__main__":
    workload.main(Futures)
