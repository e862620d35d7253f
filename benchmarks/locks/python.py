#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same locks in Python's multiprocessing. Fewer rounds: the figures are per round."""

import multiprocessing
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from measure import Options, report, report_at, seconds


def uncontended(lock, count):
    """Nanoseconds for taking it and giving it back; a semaphore, too."""
    start = time.perf_counter()
    for _ in range(count):
        lock.acquire()
        lock.release()
    return (time.perf_counter() - start) * 1e9 / count


def count_up(counter, count):
    for _ in range(count):
        with counter.get_lock():
            counter.value += 1


def increments(count):
    counter = multiprocessing.Value("q", 0)
    processes = [multiprocessing.Process(target=count_up, args=(counter, count)) for _ in range(2)]
    start = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    report("increments", (time.perf_counter() - start) * 1e9 / (2 * count), "ns")
    assert counter.value == 2 * count


def started_together(start, work, arguments):
    start.wait()
    work(*arguments)


def together(number, work, *arguments):
    """The seconds in which `number` processes each do the work, from one start to the last end."""
    start = multiprocessing.Barrier(number + 1)
    processes = [multiprocessing.Process(target=started_together, args=(start, work, arguments))
                 for _ in range(number)]
    for process in processes:
        process.start()
    while start.n_waiting < number:
        time.sleep(1e-4)
    began = time.perf_counter()  # before the start: who starts them may be the last to get a CPU
    start.wait()
    for process in processes:
        process.join()
    elapsed = time.perf_counter() - began
    assert all(process.exitcode == 0 for process in processes)
    return elapsed


def contention(total):
    for number in (1, 2, 4, 8):
        counter = multiprocessing.Value("q", 0)
        elapsed = together(number, count_up, counter, total // number)
        assert counter.value == total
        report_at("contention", number, elapsed * 1e9 / total, "ns")


def event_set_clear(count):
    event = multiprocessing.Event()
    start = time.perf_counter()
    for _ in range(count):
        event.set()
        event.clear()
    report("event_set_clear", (time.perf_counter() - start) * 1e9 / count, "ns")


def take_turns(condition, turn, me, rounds):
    for _ in range(rounds):
        with condition:
            condition.wait_for(lambda: turn.value == me)
            turn.value = 1 - me
            condition.notify()


def condition_round_trip(rounds):
    condition = multiprocessing.Condition()
    turn = multiprocessing.RawValue("i", 0)
    process = multiprocessing.Process(target=take_turns, args=(condition, turn, 1, rounds + 1))
    process.start()
    take_turns(condition, turn, 0, 1)  # the other process runs by then
    elapsed, _ = seconds(lambda: take_turns(condition, turn, 0, rounds))
    process.join()
    report("condition_round_trip", elapsed * 1e6 / rounds, "us")


def wait_often(barrier, rounds):
    for _ in range(rounds):
        barrier.wait()


def barrier_rounds(rounds):
    for number in (2, 4):
        elapsed = together(number, wait_often, multiprocessing.Barrier(number), rounds)
        report_at("barrier", number, elapsed * 1e6 / rounds, "us")


def main():
    options = Options()
    if options.wants("uncontended"):
        report("uncontended", uncontended(multiprocessing.Lock(), options.size(200000, 1000)), "ns")
    if options.wants("uncontended_rlock"):
        report("uncontended_rlock",
               uncontended(multiprocessing.RLock(), options.size(200000, 1000)), "ns")
    if options.wants("increments"):
        increments(options.size(100000, 1000))
    if options.wants("contention"):
        contention(options.size(80000, 800))
    if options.wants("semaphore"):
        report("semaphore", uncontended(multiprocessing.Semaphore(1), options.size(200000, 1000)),
               "ns")
    if options.wants("event_set_clear"):
        event_set_clear(options.size(50000, 500))
    if options.wants("condition_round_trip"):
        condition_round_trip(options.size(3000, 50))
    if options.wants("barrier"):
        barrier_rounds(options.size(2000, 30))


if __name__ == "__main__":
    main()
