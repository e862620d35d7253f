# SPDX-License-Identifier: BSL-1.0
# fork copies the program with all its memory; the other start methods start an interpreter anew.
import multiprocessing as mp
import threading

answer = 0
mutex = threading.Lock()


def look(method):
    free = mutex.acquire(blocking=False)
    if free:
        mutex.release()
    print(f"{method}: the answer is {answer}, the mutex is "
          f"{'free' if free else 'locked by nobody'}")


def hold(locked, done):
    with mutex:
        locked.set()
        done.wait()


if __name__ == "__main__":
    answer = 42
    locked, done = threading.Event(), threading.Event()
    other = threading.Thread(target=hold, args=(locked, done))
    other.start()
    locked.wait()

    for method in "fork", "spawn", "forkserver":
        process = mp.get_context(method).Process(target=look, args=(method,))
        process.start()
        process.join()
    done.set()
    other.join()
