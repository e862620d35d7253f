#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The same dictionary in Python's manager. Fewer items: the figures are per item."""

import multiprocessing
import sys
import time

KEYS = 1024


def set_many(d, count):
    for i in range(count):
        d[i % KEYS] = i


def client(manager_dict, start, count):
    set_many(manager_dict, 10)
    start.wait()
    set_many(manager_dict, count)


def report(name, start, count):
    print(f"{name} {(time.perf_counter() - start) * 1e9 / count:.6g} ns", flush=True)


def main():
    quick = "--quick" in sys.argv[1:]
    wanted = [name for name in sys.argv[1:] if name != "--quick"]
    count = 200 if quick else 10000

    def wants(name):
        return not wanted or name in wanted

    with multiprocessing.Manager() as manager:
        d = manager.dict()
        set_many(d, KEYS)
        if wants("set"):
            start = time.perf_counter()
            set_many(d, count)
            report("set", start, count)
            assert d[(count - 1) % KEYS] == count - 1
        if wants("get"):
            start = time.perf_counter()
            for i in range(count):
                d[i % KEYS]
            report("get", start, count)
        if wants("set_4_clients"):
            barrier = multiprocessing.Barrier(5)
            dicts = [manager.dict() for _ in range(4)]  # kept: Python's children would not find them
            clients = [multiprocessing.Process(target=client, args=(own, barrier, count // 4))
                       for own in dicts]
            for process in clients:
                process.start()
            barrier.wait()
            start = time.perf_counter()
            for process in clients:
                process.join()
            report("set_4_clients", start, count)
        if wants("increment"):
            lock = manager.Lock()
            d[0] = 0
            start = time.perf_counter()
            for _ in range(count // 4):
                with lock:
                    d[0] += 1
            report("increment", start, count // 4)
            assert d[0] == count // 4
        if wants("update"):
            pairs = {i: -i for i in range(10000)}
            start = time.perf_counter()
            for _ in range(2 if quick else 20):
                d.update(pairs)
            report("update", start, (2 if quick else 20) * 10000)
            assert len(d) == 10000 and d[9999] == -9999


if __name__ == "__main__":
    main()
