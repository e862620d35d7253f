# SPDX-License-Identifier: BSL-1.0
# Why a Lock is needed: first the race, made certain by a Barrier, then the cure.
import multiprocessing as mp
import os
import tempfile


def careless(log_file, counter, middle):
    seen = counter.value
    with open(log_file, "a") as log:
        log.write("one ")
        log.flush()
        middle.wait()
        counter.value = seen + 1  # and what the other one adds is lost
        log.write("line\n")


def careful(log_file, counter, lock):
    for _ in range(100):
        with lock:
            counter.value += 1
            with open(log_file, "a") as log:
                log.write("one ")
                log.flush()
                log.write("line\n")


def twice(what, f, tool):
    """Runs f in two processes at once and prints what they have made."""
    with tempfile.TemporaryDirectory() as folder:
        log_file = os.path.join(folder, "log")
        counter = mp.RawValue("i", 0)
        both = [mp.Process(target=f, args=(log_file, counter, tool)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join()
        with open(log_file) as log:
            lines = log.read().splitlines()
    whole = lines.count("one line")
    print(f"{what}: counted {counter.value}, {whole} of {len(lines)} lines are whole")


if __name__ == "__main__":
    twice("without a lock", careless, mp.Barrier(2))
    twice("with a lock", careful, mp.Lock())
