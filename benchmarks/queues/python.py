#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same queues in Python's multiprocessing. Fewer items: the figures are per item."""

import multiprocessing
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from measure import Options, report, report_at, report_percentiles

# Bytes, and how many such items.
ITEM_SIZES = [(8, 20000), (64, 20000), (512, 20000), (4096, 15000), (65536, 3000), (1 << 20, 150),
              (16 << 20, 10)]


def put_numbers(queue, count):
    for i in range(count):
        queue.put(i)


def put_items(queue, count, size):
    item = b"x" * size
    for _ in range(count):
        queue.put(item)


def numbers(limit, name, count):
    queue = multiprocessing.Queue(limit)
    putter = multiprocessing.Process(target=put_numbers, args=(queue, count))
    start = time.perf_counter()
    putter.start()
    total = sum(queue.get() for _ in range(count))
    report(name, (time.perf_counter() - start) * 1e9 / count, "ns")
    putter.join()
    assert total == count * (count - 1) // 2


def large(count, size=16 << 20):
    queue = multiprocessing.Queue(2)
    putter = multiprocessing.Process(target=put_items, args=(queue, count + 1, size))
    putter.start()
    total = len(queue.get())
    start = time.perf_counter()
    total += sum(len(queue.get()) for _ in range(count))
    report("large", (time.perf_counter() - start) * 1e6 / count, "us")
    putter.join()
    assert total == size * (count + 1)


def items(size, count):
    """Nanoseconds an item; the first one starts the clock."""
    queue = multiprocessing.Queue(min(max((32 << 20) // size, 2), 1000))
    putter = multiprocessing.Process(target=put_items, args=(queue, count + 1, size))
    putter.start()
    assert len(queue.get()) == size
    start = time.perf_counter()
    total = sum(len(queue.get()) for _ in range(count))
    elapsed = time.perf_counter() - start
    putter.join()
    assert total == size * count
    return elapsed * 1e9 / count


def echo(there, back):
    number = 0
    while number >= 0:
        number = there.get()
        back.put(number)


def latency(count):
    there, back = multiprocessing.Queue(), multiprocessing.Queue()
    process = multiprocessing.Process(target=echo, args=(there, back))
    process.start()
    times = []
    for i in range(count // 10 + count):  # the first tenth warms up
        start = time.perf_counter()
        there.put(i)
        assert back.get() == i
        times.append((time.perf_counter() - start) * 1e6)
    there.put(-1)
    back.get()
    process.join()
    report_percentiles("latency", times[count // 10:], "us")


def produce(queue, start, count):
    start.wait()
    put_numbers(queue, count)


def consume(queue, start, count, total):
    start.wait()
    own = sum(queue.get() for _ in range(count))
    with total:
        total.value += own


def producers(number, count):
    """Nanoseconds an item, `number` processes putting and as many getting."""
    queue = multiprocessing.Queue()
    start = multiprocessing.Barrier(2 * number + 1)
    total = multiprocessing.Value("q", 0)
    share = count // number
    processes = []
    for _ in range(number):
        processes.append(multiprocessing.Process(target=produce, args=(queue, start, share)))
        processes.append(multiprocessing.Process(target=consume, args=(queue, start, share, total)))
    for process in processes:
        process.start()
    while start.n_waiting < 2 * number:
        time.sleep(1e-4)
    began = time.perf_counter()  # before the start: who starts them may be the last to get a CPU
    start.wait()
    for process in processes:
        process.join()
    elapsed = time.perf_counter() - began
    assert total.value == number * (share * (share - 1) // 2)
    return elapsed * 1e9 / (share * number)


def main():
    options = Options()
    if options.wants("unlimited"):
        numbers(0, "unlimited", options.size(50000, 200))
    if options.wants("bounded"):
        numbers(100, "bounded", options.size(30000, 200))
    if options.wants("large"):
        large(options.size(15, 3))
    if options.wants("item"):
        for size, count in ITEM_SIZES:
            report_at("item", size, items(size, options.size(count, max(2, count // 500))), "ns")
    if options.wants("latency"):
        latency(options.size(5000, 100))
    if options.wants("producers"):
        for number in (1, 2, 4):
            report_at("producers", number, producers(number, options.size(20000, 200)), "ns")


if __name__ == "__main__":
    main()
