# SPDX-License-Identifier: BSL-1.0
# How many workers? One for each CPU that the program may use; a hundred have no more CPUs.
import multiprocessing as mp
import os
import sys
import time


def work(item):
    return sum(i % (item + 1) for i in range(200_000)), os.getpid()


def try_pool(workers):
    start = time.perf_counter()
    with mp.Pool(workers) as pool:
        results = pool.map(work, range(8), chunksize=1)
    print(workers, "workers:", time.perf_counter() - start, "s", file=sys.stderr)
    busy = len({pid for _, pid in results})
    total = sum(part for part, _ in results)
    print(f"{workers} workers: the sum of 8 tasks is {total}, "
          f"and more than 8 workers had nothing to do: {lower(workers - busy > 8)}")


def lower(truth):
    return str(truth).lower()


if __name__ == "__main__":
    usable = len(os.sched_getaffinity(0))  # os.process_cpu_count() since Python 3.13
    print("there is a CPU:", lower(mp.cpu_count() >= 1))
    print("all of them may be used, or fewer:", lower(usable <= mp.cpu_count()))
    try_pool(2)
    try_pool(100)
