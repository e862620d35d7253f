#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same messages through Python's multiprocessing.Pipe. Fewer of them: the figures are per message."""

import multiprocessing
import sys
import time

SIZES = [("16", 16, 10000, 50000), ("4KiB", 4096, 10000, 50000), ("1MiB", 1 << 20, 300, 500)]


def echo(connection):
    while message := connection.recv_bytes():
        connection.send_bytes(message)


def ping_pong(size, count):
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=echo, args=(there,))
    process.start()
    for i in range(count):
        message = i.to_bytes(8, "little") + bytes(size - 8)
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


def main():
    quick = "--quick" in sys.argv[1:]
    wanted = [name for name in sys.argv[1:] if name != "--quick"]

    def measure(name, count, run):
        if wanted and name not in wanted:
            return
        count = 50 if quick else count
        start = time.perf_counter()
        run(count)
        print(f"{name} {(time.perf_counter() - start) * 1e9 / count:.6g} ns", flush=True)

    for name, size, round_trips, streamed in SIZES:
        measure(f"ping_pong_{name}", round_trips, lambda count: ping_pong(size, count))
        measure(f"stream_{name}", streamed, lambda count: stream(size, count))
    measure("ping_pong_int", 10000, ping_pong_int)


if __name__ == "__main__":
    main()
