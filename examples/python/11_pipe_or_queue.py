# SPDX-License-Identifier: BSL-1.0
# A Pipe is for two processes, a Queue for any number of them on either side.
import multiprocessing as mp


def echo(parent):
    parent.send("you said: " + parent.recv())


def produce(jobs, first, last):
    for job in range(first, last):
        jobs.put(job)


def consume(jobs, results):
    while (job := jobs.get()) is not None:
        results.put(job * job)


if __name__ == "__main__":
    here, there = mp.Pipe()
    child = mp.Process(target=echo, args=(there,))
    child.start()
    here.send("hello")
    print(here.recv())
    child.join()

    jobs, results = mp.Queue(), mp.Queue()
    producers = [mp.Process(target=produce, args=(jobs, 10 * i, 10 * i + 10)) for i in range(2)]
    consumers = [mp.Process(target=consume, args=(jobs, results)) for _ in range(3)]
    for process in producers + consumers:
        process.start()

    total = sum(results.get() for _ in range(20))
    print("2 producers, 3 consumers, 20 jobs: the sum of the squares is", total)
    for _ in consumers:
        jobs.put(None)  # the end, once for each consumer
    for process in producers + consumers:
        process.join()
    print("left in the queue:", jobs.qsize())
