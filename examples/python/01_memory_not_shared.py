# SPDX-License-Identifier: BSL-1.0
# A child process has a memory of its own; a thread changes the one memory that all threads share.
import multiprocessing as mp
import threading

numbers = [1, 2, 3]


def append(who):
    numbers.append(4)
    print(who, "sees", len(numbers), "numbers")


if __name__ == "__main__":
    process = mp.Process(target=append, args=("the process",))
    process.start()
    process.join()
    print("afterwards there are", len(numbers), "here")

    thread = threading.Thread(target=append, args=("the thread",))
    thread.start()
    thread.join()
    print("afterwards there are", len(numbers), "here")
