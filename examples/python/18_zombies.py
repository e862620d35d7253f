# SPDX-License-Identifier: BSL-1.0
# A process that has ended is a zombie until its parent asks how it ended.
import multiprocessing as mp
import time
from multiprocessing.connection import wait


def nothing():
    pass


def entry(pid):
    """What the kernel's table says about a process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
    except OSError:
        return "gone"
    return "a zombie" if text[text.rindex(")") + 2] == "Z" else "alive"


def wait_for_end(process):
    wait([process.sentinel])
    while entry(process.pid) == "alive":  # the sentinel closes a moment before
        time.sleep(0.001)


if __name__ == "__main__":
    fork = mp.get_context("fork")  # a fork server would reap its children itself
    process = fork.Process(target=nothing)
    process.start()
    wait_for_end(process)
    print("ended, not joined:", entry(process.pid))
    process.join()
    print("joined:", entry(process.pid))

    several = [fork.Process(target=nothing) for _ in range(3)]
    for one in several:
        one.start()
    for one in several:
        wait_for_end(one)
    print("children that run:", len(mp.active_children()))
    for one in several:
        print("after active_children():", entry(one.pid))
