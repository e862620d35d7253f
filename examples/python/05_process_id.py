# SPDX-License-Identifier: BSL-1.0
# The process id: of this process, of a child, and what the child knows about its parent.
import multiprocessing as mp
import os


def report(queue):
    queue.put((mp.current_process().pid, mp.parent_process().pid))


def lower(truth):
    return str(truth).lower()


if __name__ == "__main__":
    queue = mp.SimpleQueue()
    child = mp.Process(target=report, args=(queue,), name="reporter")
    print("before start() there is an id:", lower(child.pid is not None))
    child.start()
    pid, parent = queue.get()
    child.join()

    print(f"this is {mp.current_process().name}, the child was {child.name}")
    print("current_process().pid() is getpid():", lower(mp.current_process().pid == os.getpid()))
    print("the child had another id:", lower(pid != os.getpid()))
    print("it is the one that pid() says:", lower(pid == child.pid))
    print("its parent is this process:", lower(parent == os.getpid()))
