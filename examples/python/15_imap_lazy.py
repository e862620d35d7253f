# SPDX-License-Identifier: BSL-1.0
# imap over input that does not fit in memory. Python's imap reads its input as fast as it can, so
# the input itself has to wait: a semaphore says how far it may be ahead of the results.
import itertools
import multiprocessing as mp
import threading

context = mp.get_context("fork")
signal_to_slow = context.Event()  # the workers inherit it


def collatz_steps(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def slow_or_fast(n):
    if n == 0:
        signal_to_slow.wait()
    return n


class Throttled:
    """Items that are read at most so many ahead of those that are done."""

    def __init__(self, items, limit):
        self.items, self.permits = items, threading.Semaphore(limit)
        self.read, self.stopped = 0, False

    def __iter__(self):
        for item in self.items:
            self.permits.acquire()
            if self.stopped:
                return
            self.read += 1
            yield item

    def done(self):
        self.permits.release()

    def stop(self):
        self.stopped = True
        self.permits.release()


if __name__ == "__main__":
    with context.Pool(2) as pool:
        ahead = 0
        numbers = Throttled(itertools.count(1), 256)
        for number, steps in enumerate(pool.imap(collatz_steps, numbers, chunksize=32), 1):
            ahead = max(ahead, numbers.read - (number - 1))
            if steps > 250:
                break
            numbers.done()
        numbers.stop()
        print(number, "needs more than 250 steps")
        print("at most 256 items were in memory:", "yes" if ahead <= 256 else "no")

        for result in pool.imap_unordered(slow_or_fast, [0, 1, 2]):
            print("slow" if result == 0 else "fast")
            if result == 2:
                signal_to_slow.set()
