# SPDX-License-Identifier: BSL-1.0
# start() does not wait. join() is the point of waiting.
import multiprocessing as mp


def work(may_finish, results):
    may_finish.wait()
    results.put("the work of the child")


def lower(truth):
    return str(truth).lower()


if __name__ == "__main__":
    may_finish = mp.Event()
    results = mp.Queue()
    child = mp.Process(target=work, args=(may_finish, results))

    child.start()
    print(f"after start() it runs: {lower(child.is_alive())}, results: {results.qsize()}")
    child.join(0.05)
    print(f"after join(50ms) it runs: {lower(child.is_alive())}")

    may_finish.set()
    child.join()
    print(f"after join() it runs: {lower(child.is_alive())}, exit code {child.exitcode}")
    print("its result:", results.get())
