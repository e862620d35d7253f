# SPDX-License-Identifier: BSL-1.0
# A spawned child imports this module anew. The guard keeps it from running the program again;
# without the guard it would, and so it fails, by intention, before it starts a process.
import multiprocessing as mp
import os


def greet(name):
    print("Hello,", name)


def spawn_greeter(name):
    """Returns whether the child ended well."""
    process = mp.get_context("spawn").Process(target=greet, args=(name,))
    process.start()
    process.join()
    return process.exitcode == 0


if __name__ == "__main__" or "FORGETFUL" in os.environ:
    print("main begins", flush=True)

    print("with the guard it works:", "yes" if spawn_greeter("Ada") else "no", flush=True)
    os.environ["FORGETFUL"] = "1"
    print("without it:", "yes" if spawn_greeter("Eve") else "no", flush=True)
