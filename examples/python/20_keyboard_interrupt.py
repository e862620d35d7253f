# SPDX-License-Identifier: BSL-1.0
# Ctrl-C with many workers: they have to be told to ignore it, else each prints a traceback.
import multiprocessing as mp
import os
import signal
import time


def ignore_interrupt():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def work(_):
    time.sleep(0.01)
    return os.getpid()


def exists(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


if __name__ == "__main__":
    pool = mp.Pool(8, ignore_interrupt)
    workers = set()
    results = 0
    try:
        for worker in pool.imap_unordered(work, range(10_000)):
            workers.add(worker)
            results += 1
            if results == 20:
                os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C does
        print("never interrupted")
    except KeyboardInterrupt:
        pool.terminate()
        pool.join()
        print("interrupted long before the end:", "yes" if results < 5_000 else "no")
        print("all workers are gone:", "no" if any(map(exists, workers)) else "yes")
