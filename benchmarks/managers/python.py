#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same dictionary and queue in Python's manager. Fewer items: the figures are per item."""

import multiprocessing
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from measure import Options, report, report_at, report_percentiles

KEYS = 1024


def set_many(d, count):
    for i in range(count):
        d[i % KEYS] = i


def client(manager_dict, start, count):
    set_many(manager_dict, 10)
    start.wait()
    set_many(manager_dict, count)


def set_clients(manager, number, count):
    """Nanoseconds a call, `number` processes at it, each with a dictionary of its own."""
    start = multiprocessing.Barrier(number + 1)
    dicts = [manager.dict() for _ in range(number)]  # kept: Python's children would not find them
    clients = [multiprocessing.Process(target=client, args=(own, start, count // number))
               for own in dicts]
    for process in clients:
        process.start()
    while start.n_waiting < number:
        time.sleep(1e-4)
    began = time.perf_counter()  # before the start: who starts them may be the last to get a CPU
    start.wait()
    for process in clients:
        process.join()
    elapsed = time.perf_counter() - began
    assert all(process.exitcode == 0 for process in clients)
    return elapsed * 1e9 / count


def latency(d, count):
    times = []
    for i in range(count // 10 + count):  # the first tenth warms up
        start = time.perf_counter()
        d[i % KEYS] = i
        times.append((time.perf_counter() - start) * 1e6)
    report_percentiles("latency", times[count // 10:], "us")


def main():
    options = Options()
    count = options.size(6000, 100)

    def report_since(name, start, count):
        report(name, (time.perf_counter() - start) * 1e9 / count, "ns")

    with multiprocessing.Manager() as manager:
        d = manager.dict()
        d.update({i: i for i in range(KEYS)})
        set_many(d, 100)
        if options.wants("set"):
            start = time.perf_counter()
            set_many(d, count)
            report_since("set", start, count)
            assert d[(count - 1) % KEYS] == count - 1
        if options.wants("get"):
            start = time.perf_counter()
            for i in range(count):
                d[i % KEYS]
            report_since("get", start, count)
        if options.wants("set_4_clients"):
            report("set_4_clients", set_clients(manager, 4, count), "ns")
        if options.wants("set_clients"):
            for number in (1, 2, 4, 8):
                report_at("set_clients", number,
                          set_clients(manager, number, options.size(4000, 80)), "ns")
        if options.wants("latency"):
            latency(d, options.size(5000, 100))
        if options.wants("queue"):
            queue = manager.Queue()
            items = options.size(2000, 50)
            start = time.perf_counter()
            total = 0
            for i in range(items):
                queue.put(i)
                total += queue.get()
            report_since("queue", start, items)
            assert total == items * (items - 1) // 2
        if options.wants("increment"):
            lock = manager.Lock()
            d[0] = 0
            start = time.perf_counter()
            for _ in range(count // 4):
                with lock:
                    d[0] += 1
            report_since("increment", start, count // 4)
            assert d[0] == count // 4
        if options.wants("update"):
            pairs = {i: -i for i in range(10000)}
            times = options.size(20, 2)
            start = time.perf_counter()
            for _ in range(times):
                d.update(pairs)
            report_since("update", start, times * 10000)
            assert len(d) == 10000 and d[9999] == -9999


if __name__ == "__main__":
    main()
