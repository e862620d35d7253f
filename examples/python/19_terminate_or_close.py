# SPDX-License-Identifier: BSL-1.0
# close() lets join() wait for what there is to do; terminate() stops at once, and takes a lock that
# is held with it: nobody gets that one ever again.
import multiprocessing as mp

fork = mp.get_context("fork")  # the workers inherit what follows: it cannot be an argument
never = fork.Event()
done = fork.Value("i", 0)


def count():
    with done.get_lock():
        done.value += 1


def wait_and_count():
    never.wait()
    count()


def hold(lock, held):
    with lock:
        held.set()
        never.wait()


if __name__ == "__main__":
    pool = fork.Pool(2)
    for _ in range(10):
        pool.apply_async(count)
    pool.close()
    pool.join()
    print("close, join:", done.value, "of 10 tasks are done")

    pool = fork.Pool(2)
    for _ in range(10):
        pool.apply_async(wait_and_count)
    pool.terminate()
    pool.join()
    print("terminate, join:", done.value - 10, "of 10 tasks are done")

    lock, held = fork.Lock(), fork.Event()
    victim = fork.Process(target=hold, args=(lock, held))
    victim.start()
    held.wait()
    victim.terminate()
    victim.join()
    print("the victim ended by signal", -victim.exitcode)
    if not lock.acquire(timeout=0.1):  # a guess: its owner could also be slow
        print("the owner of the lock has died")
        lock = fork.Lock()  # those that have the old one still wait
    print("the next one gets a lock:", "yes" if lock.acquire(False) else "no")
    lock.release()
