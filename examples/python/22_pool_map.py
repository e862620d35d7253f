# SPDX-License-Identifier: BSL-1.0
# Applies a function to every number of a list, in worker processes.
import multiprocessing as mp

def square(x):
    return x * x

if __name__ == "__main__":
    numbers = [1, 2, 3, 4, 5]
    with mp.Pool(2) as pool:
        for result in pool.map(square, numbers):
            print(result)
