# SPDX-License-Identifier: BSL-1.0
# A large result is pickled and copied; the cheap way is memory that the workers write into.
import multiprocessing as mp
import pickle
from array import array
from multiprocessing.shared_memory import SharedMemory

SIZE = 100_000


def value(i):
    return float(i % 1000)


def make():
    return array("d", map(value, range(SIZE)))


def fill(name, first, last):
    block = SharedMemory(name)
    values = block.buf.cast("d")
    for i in range(first, last):
        values[i] = value(i)
    values.release()
    block.close()


def report(how, total, sent):
    size = "800,000 bytes or more" if len(sent) >= 8 * SIZE else "less than 200 bytes"
    print(f"{how}: the sum is {int(total)}, and {size} travelled with it")


if __name__ == "__main__":
    block = SharedMemory(create=True, size=8 * SIZE)
    with mp.Pool(2) as pool:
        returned = pool.apply(make)
        report("returned", sum(returned), pickle.dumps(returned))

        # Each worker its own half: nobody needs a lock.
        pool.starmap(fill, [(block.name, 0, SIZE // 2), (block.name, SIZE // 2, SIZE)])
        values = block.buf.cast("d")
        report("shared", sum(values[:SIZE]), pickle.dumps(block.name))
        values.release()
    block.close()
    block.unlink()
