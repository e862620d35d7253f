#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same messages and connections in Python's multiprocessing. Fewer: figures are per message."""

import multiprocessing
import pathlib
import sys
import time
from multiprocessing.connection import Client, Listener

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from measure import Options, report, report_at, report_percentiles, seconds

SIZES = [("16", 16, 5000, 25000), ("4KiB", 4096, 5000, 25000), ("1MiB", 1 << 20, 150, 200)]
# Bytes, and how many such messages.
THROUGHPUTS = [(16, 20000), (256, 20000), (4096, 20000), (65536, 2000), (1 << 20, 150),
               (16 << 20, 10)]
KEY = b"secret"


def echo(connection):
    while message := connection.recv_bytes():
        connection.send_bytes(message)


def numbered(i, size=16):
    return i.to_bytes(8, "little") + bytes(size - 8)


def ping_pong(size, count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=echo, args=(there,))
    process.start()
    for i in range(count):
        message = numbered(i, size)
        here.send_bytes(message)
        assert here.recv_bytes() == message
    here.send_bytes(b"")
    process.join()


def drain(connection, count):
    for i in range(count):
        assert int.from_bytes(connection.recv_bytes()[:8], "little") == i
    connection.send_bytes(b"!")


def stream(size, count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=drain, args=(there, count))
    process.start()
    rest = bytes(size - 8)
    for i in range(count):
        here.send_bytes(i.to_bytes(8, "little") + rest)
    here.recv_bytes()
    process.join()


def echo_objects(connection):
    while (value := connection.recv()) >= 0:
        connection.send(value)


def ping_pong_int(count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=echo_objects, args=(there,))
    process.start()
    for i in range(count):
        here.send(i)
        assert here.recv() == i
    here.send(-1)
    process.join()


def report_latency(name, connection, count):
    """The other end is one that echo() serves, and its end."""
    times = []
    for i in range(count // 10 + count):  # the first tenth warms up
        message = numbered(i)
        start = time.perf_counter()
        connection.send_bytes(message)
        answer = connection.recv_bytes()
        times.append((time.perf_counter() - start) * 1e6)
        assert answer == message
    connection.send_bytes(b"")
    report_percentiles(name, times[count // 10:], "us")


def pipe_latency(count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=echo, args=(there,))
    process.start()
    report_latency("latency", here, count)
    process.join()


def connect_and_echo(address):
    with Client(address, authkey=KEY) as connection:
        echo(connection)


def listener_latency(count):
    with Listener(family="AF_UNIX", authkey=KEY) as listener:
        process = multiprocessing.Process(target=connect_and_echo, args=(listener.address,))
        process.start()
        with listener.accept() as connection:
            report_latency("listener_latency", connection, count)
        process.join()


def connect_often(address, count):
    for _ in range(count):
        with Client(address, authkey=KEY) as connection:
            connection.recv_bytes()


def accept_often(listener, count):
    for _ in range(count):
        with listener.accept() as connection:
            connection.send_bytes(b"!")


def connect(count):
    with Listener(family="AF_UNIX", backlog=128, authkey=KEY) as listener:
        process = multiprocessing.Process(target=connect_often, args=(listener.address, count + 1))
        process.start()
        accept_often(listener, 1)  # the other process runs by then
        elapsed, _ = seconds(lambda: accept_often(listener, count))
        process.join()
    report("connect", elapsed * 1e6 / count, "us")


def main():
    options = Options()

    def measure(name, count, run):
        if options.wants(name):
            count = options.size(count, 50)
            elapsed, _ = seconds(lambda: run(count))
            report(name, elapsed * 1e9 / count, "ns")

    for name, size, round_trips, streamed in SIZES:
        measure(f"ping_pong_{name}", round_trips, lambda count: ping_pong(size, count))
        measure(f"stream_{name}", streamed, lambda count: stream(size, count))
    measure("ping_pong_int", 5000, ping_pong_int)
    if options.wants("throughput"):
        for size, count in THROUGHPUTS:
            count = options.size(count, max(2, count // 500))
            elapsed, _ = seconds(lambda: stream(size, count))
            report_at("throughput", size, elapsed * 1e9 / count, "ns")
    if options.wants("latency"):
        pipe_latency(options.size(5000, 100))
    if options.wants("listener_latency"):
        listener_latency(options.size(5000, 100))
    if options.wants("connect"):
        connect(options.size(500, 20))


if __name__ == "__main__":
    main()
