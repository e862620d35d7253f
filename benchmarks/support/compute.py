# SPDX-License-Identifier: BSL-1.0
"""A task of any length: a fixed amount of work, not of time, as in compute.hpp."""

import measure


def compute(rounds):
    state = rounds
    for _ in range(rounds):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    return state


def rounds_per_microsecond():
    """So many rounds of `compute` take a microsecond where nothing interrupts them."""
    rounds = 20000
    return rounds / (min(measure.seconds(lambda: compute(rounds))[0] for _ in range(15)) * 1e6)
