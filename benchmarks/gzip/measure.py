#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""parallel_gzip against pigz on a tar archive of /usr: throughput, size, peak memory.

usage: measure.py BUILD-FOLDER [--quick] [--rounds N] [--level L]

The archive is made once and kept in the build folder. Both programs read it from the page cache
and write to a file; they take turns.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

MIB = 1 << 20


def make_archive(path, size):
    """The first `size` bytes of `tar` of /usr; repeated where /usr is smaller."""
    if path.exists() and path.stat().st_size == size:
        return
    with open(path, "wb") as output:
        written = 0
        while written < size:
            tar = subprocess.Popen(["tar", "cf", "-", "/usr"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
            while written < size and (piece := tar.stdout.read(min(MIB, size - written))):
                written += output.write(piece)
            tar.stdout.close()
            tar.wait()


def prefix(path, source, size):
    if path.exists() and path.stat().st_size == size:
        return
    with open(source, "rb") as whole, open(path, "wb") as output:
        for _ in range(size // MIB):
            output.write(whole.read(MIB))


def memory_of_all(program):
    """Memory in MiB of all processes that run the program: (shared pages once, RSS added up)."""
    pss = rss = 0
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if os.readlink(process / "exe") != program:
                continue
            for line in (process / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    pss += int(line.split()[1])
                elif line.startswith("Rss:"):
                    rss += int(line.split()[1])
        except OSError:
            pass
    return pss / 1024, rss / 1024


class Sampler:
    """The peak memory of a program while the `with` block runs."""

    def __init__(self, program):
        self.program = os.path.realpath(program)
        self.pss = self.rss = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.done.wait(0.02):
            pss, rss = memory_of_all(self.program)
            self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def compress(command, source, target):
    """Seconds of wall time and of CPU time."""
    before = os.times()
    start = time.perf_counter()
    with open(target, "wb") as output:
        subprocess.run(command + ["-c", str(source)], stdout=output, check=True)
    elapsed = time.perf_counter() - start
    after = os.times()
    return elapsed, after.children_user + after.children_system - before.children_user - before.children_system


def same_content(compressed, source):
    gunzip = subprocess.Popen(["gunzip", "-c", str(compressed)], stdout=subprocess.PIPE)
    same = subprocess.run(["cmp", "-", str(source)], stdin=gunzip.stdout).returncode == 0
    gunzip.stdout.close()
    return gunzip.wait() == 0 and same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--level", type=int, default=6)
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    found = [p for p in options.build.rglob("60_parallel_gzip") if os.access(p, os.X_OK) and p.is_file()]
    if not found:
        sys.exit("60_parallel_gzip was not built")
    ours = [str(found[0]), "-p", "2", f"-{options.level}"]
    pigz = ["pigz", "-p", "2", "-k", f"-{options.level}"]

    folder = options.build / "gzip"
    folder.mkdir(exist_ok=True)
    sizes = [10, 20, 40] if options.quick else [100, 1024, 2048]
    largest = folder / f"usr_{sizes[2]}.tar"
    make_archive(largest, sizes[2] * MIB)
    small, medium = (folder / f"usr_{size}.tar" for size in sizes[:2])
    prefix(small, largest, sizes[0] * MIB)
    prefix(medium, largest, sizes[1] * MIB)
    for path in (small, medium, largest):  # into the page cache
        subprocess.run(["cksum", str(path)], stdout=subprocess.DEVNULL, check=True)

    good = True

    def verdict(reached):
        nonlocal good
        good = good and reached
        return "ok" if reached else "MISSED"

    out_ours, out_pigz = folder / "ours.gz", folder / "pigz.gz"
    times = {"ours": [], "pigz": []}
    cpu = {"ours": [], "pigz": []}
    for _ in range(rounds):
        for name, command, target in (("ours", ours, out_ours), ("pigz", pigz, out_pigz)):
            wall, used = compress(command, medium, target)
            times[name].append(wall)
            cpu[name].append(used)
    print(f"{sizes[1]} MiB of /usr, level {options.level}, 2 workers, {rounds} rounds")
    for name, seconds in times.items():
        rates = sorted(sizes[1] / s for s in seconds)
        print(f"  {name}: {statistics.median(rates):6.1f} MiB/s ({rates[0]:.1f} - {rates[-1]:.1f}), "
              f"CPU {statistics.median(cpu[name]):.2f} s")
    ratio = statistics.median(times["pigz"]) / statistics.median(times["ours"])
    print(f"  throughput ratio {ratio:.3f}, target >= 0.95: {verdict(ratio >= 0.95)}")
    ratio = out_ours.stat().st_size / out_pigz.stat().st_size
    print(f"  size ratio {ratio:.5f}, target <= 1.01: {verdict(ratio <= 1.01)}")
    print(f"  gunzip gives the input back: {verdict(same_content(out_ours, medium))}")

    peaks = []
    for source in (small, largest):
        with Sampler(ours[0]) as memory:
            compress(ours, source, out_ours)
        peaks.append(memory.pss)
        size = source.stat().st_size // MIB
        print(f"  peak memory of all processes, {size} MiB: {memory.pss:.1f} MiB "
              f"(RSS added up: {memory.rss:.1f}), target < 150: {verdict(memory.rss < 150)}")
    # "The same" leaves room for what the allocators of three processes happen to keep.
    print(f"  difference {peaks[1] - peaks[0]:+.1f} MiB, target < 10: {verdict(abs(peaks[1] - peaks[0]) < 10)}")
    print(f"  gunzip gives the largest back: {verdict(same_content(out_ours, largest))}")
    out_ours.unlink()
    out_pigz.unlink()
    if not good:
        sys.exit("a target was missed")


if __name__ == "__main__":
    main()
