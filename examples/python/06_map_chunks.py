# SPDX-License-Identifier: BSL-1.0
# map over 1,000 items in chunks of several sizes.
import multiprocessing as mp
import os


def square(x):
    return x * x


def worker(_):
    return os.getpid()


if __name__ == "__main__":
    numbers = range(1000)

    with mp.Pool(2) as pool:
        squares = pool.map(square, numbers)  # about four chunks a worker
        print(len(squares), "results, the last one", squares[-1])
        for chunksize in 1, 100, 1000:
            same = pool.map(square, numbers, chunksize=chunksize) == squares
            print("chunks of", chunksize, "give the same:", "yes" if same else "no")

    # A chunk is one task of one worker. Here each worker does one task and is replaced.
    with mp.Pool(1, maxtasksperchild=1) as single:
        workers = single.map(worker, numbers, chunksize=250)
        print("chunks of 250 are", len(set(workers)), "tasks")
