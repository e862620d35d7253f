# SPDX-License-Identifier: BSL-1.0
"""The computations of workload.hpp in Python, smaller; and how long they take without a pool."""

import collections
import math
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import measure
import pools

WIDTH = 80
HEIGHT = 60
MOST_ITERATIONS = 1000
STRIKES = 32
MATURITIES = 16


def mandelbrot_row(row):
    iterations = []
    y0 = 2.4 * row / HEIGHT - 1.2
    for column in range(WIDTH):
        x0 = 3.2 * column / WIDTH - 2.2
        x = y = 0.0
        n = 0
        while n < MOST_ITERATIONS and x * x + y * y <= 4:
            x, y = x * x - y * y + x0, 2 * x * y + y0
            n += 1
        iterations.append(n)
    return iterations


def normal_distribution(x):
    return math.erfc(-x * math.sqrt(0.5)) / 2


def call_prices(share):
    price, volatility = share
    rate = 0.03
    prices = []
    for i in range(STRIKES):
        strike = price * (0.5 + i / STRIKES)
        for j in range(1, MATURITIES + 1):
            years = j / 16
            deviation = volatility * math.sqrt(years)
            d1 = (math.log(price / strike) + rate * years) / deviation + deviation / 2
            prices.append(
                price * normal_distribution(d1)
                - strike * math.exp(-rate * years) * normal_distribution(d1 - deviation)
            )
    return prices


def word_counts(text):
    return collections.Counter(text.split())


def real_text(size):
    """So many bytes of whatever this system has of licences, of Perl's manual and C headers."""
    folders = [
        pathlib.Path("/usr/share/common-licenses"),
        *pathlib.Path("/usr/share/perl").glob("*/pod"),
        pathlib.Path("/usr/include"),
    ]
    files = sorted(
        file
        for folder in folders
        if folder.is_dir()
        for file in folder.iterdir()
        if file.is_file()
    )
    text = "\n".join(file.read_text(encoding="latin-1") for file in files)
    return (text * (size // len(text) + 1))[:size]


def blocks(text, count):
    """The text in about so many blocks, cut at spaces."""
    size = len(text) // count + 1
    result = []
    first = 0
    while first < len(text):
        last = text.find(" ", first + size)
        last = len(text) if last < 0 else last
        result.append(text[first:last])
        first = last
    return result


def merged(parts):
    counts = collections.Counter()
    for part in parts:
        counts.update(part)
    return counts


def compare(options, pool, name, function, items, finish=list):
    """Reports the pool's time and that of a plain loop, whose answer must be the same."""
    if not options.wants(name) and not options.wants(name + "_serial"):
        return
    time, answer = measure.seconds(lambda: finish(pool.map(function, items, 1)))
    serial, expected = measure.seconds(lambda: finish(map(function, items)))
    assert answer == expected, name
    measure.report(name, time, "s")
    measure.report(name + "_serial", serial, "s")


def main(kind):
    options = measure.Options()
    with kind(options.workers) as pool:
        pool.map(len, [""] * options.workers, 1)
        rows = list(range(HEIGHT) if not options.quick else range(0, HEIGHT, 10))
        compare(options, pool, "mandelbrot", mandelbrot_row, rows)
        count = options.size(512, 16)
        shares = [(20.0 + i, 0.1 + 0.4 * i / count) for i in range(count)]
        compare(options, pool, "black_scholes", call_prices, shares)
        texts = blocks(real_text(options.size(8 << 20, 1 << 18)), 64)
        compare(options, pool, "word_count", word_counts, texts, merged)
