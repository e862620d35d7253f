# SPDX-License-Identifier: BSL-1.0
# A Manager keeps a dictionary and a list in a server process; ten others use them through proxies.
import multiprocessing as mp


def work(number, squares, finished, totals, lock):
    squares[f"square of {number}"] = number * number  # one call: atomic
    finished.append(number)
    with lock:  # two calls, a read and a write: not atomic
        totals["sum"] += number


if __name__ == "__main__":
    with mp.Manager() as manager:
        squares = manager.dict()
        finished = manager.list()
        totals = manager.dict({"sum": 0})
        lock = manager.Lock()

        processes = [mp.Process(target=work, args=(number, squares, finished, totals, lock))
                     for number in range(10)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()

        print(len(squares), "squares, that of 9 is", squares["square of 9"])
        finished.sort()  # they finished in any order
        print("finished:", *finished)
        print("sum:", totals["sum"])
