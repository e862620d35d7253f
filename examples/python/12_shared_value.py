# SPDX-License-Identifier: BSL-1.0
# A Value is one object in shared memory, with a lock beside it; an Array is many.
import multiprocessing as mp


def count(number, counter, own):
    for _ in range(1000):
        with counter.get_lock():
            counter.value += 1
    own[number] = number * number


if __name__ == "__main__":
    counter = mp.Value("i", 0)
    own = mp.Array("i", 10)
    processes = [mp.Process(target=count, args=(n, counter, own)) for n in range(len(own))]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    print("10 processes, 1000 increments each:", counter.value)
    print("each its square:", *own)
