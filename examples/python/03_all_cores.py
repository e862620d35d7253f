# SPDX-License-Identifier: BSL-1.0
# Heavy mathematics on all cores against one: pi, as the area under 4 / (1 + x^2).
import multiprocessing as mp
import sys
import time
from functools import partial

PARTS = 16


def area(steps, part):
    total = 0.0
    for i in range(steps // PARTS * part, steps // PARTS * (part + 1)):
        x = (i + 0.5) / steps
        total += 4 / (1 + x * x)
    return total / steps


def timed(what, f):
    start = time.perf_counter()
    areas = f()
    print(what, ":", time.perf_counter() - start, "s", file=sys.stderr)
    return sum(areas)


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 160_000
    one = timed("one core", lambda: [area(steps, part) for part in range(PARTS)])
    with mp.Pool() as pool:
        all_cores = timed("all cores", lambda: pool.map(partial(area, steps), range(PARTS)))
    print(f"{one:.8f} on one core")
    print(f"{all_cores:.8f} on all of them")
