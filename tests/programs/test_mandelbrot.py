#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Decodes the pictures of examples/62_mandelbrot.cpp and computes them a second time.

usage: test_mandelbrot.py BUILD-DIRECTORY
"""
import os
import signal
import struct
import subprocess
import sys
import time
import zlib

PROGRAM = os.path.join(sys.argv[1], "examples", "62_mandelbrot")


def decode(png):
    """Width, height, palette and rows of a PNG of 8 bits a pixel, with every checksum verified."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n", png[:8]
    at, chunks = 8, {}
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        data = png[at + 8:at + 8 + length]
        (crc,) = struct.unpack(">I", png[at + 8 + length:at + 12 + length])
        assert crc == zlib.crc32(kind + data), kind
        chunks[kind] = chunks.get(kind, b"") + data
        at += 12 + length
    assert kind == b"IEND"
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, interlaced) == (8, 3, 0)  # 8 bits, by a palette
    filtered = zlib.decompress(chunks[b"IDAT"])
    rows, above = [], bytearray(width)
    for y in range(height):
        method, *line = filtered[y * (width + 1):(y + 1) * (width + 1)]
        row = bytearray(width)
        for x in range(width):
            a, b, c = row[x - 1] if x else 0, above[x], above[x - 1] if x else 0
            nearest = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            row[x] = (line[x] + [0, a, b, (a + b) // 2, nearest][method]) & 255
        rows.append(row)
        above = row
    return width, height, chunks[b"PLTE"], rows


def colour(re, im, iterations):
    x = y = 0.0
    for n in range(iterations):
        x, y = x * x - y * y + re, 2 * x * y + im
        if x * x + y * y > 4:
            return 1 + n % 255
    return 0


def compare(arguments, width, height, re=-0.65, im=0.0, across=4.5, iterations=1000):
    png = subprocess.run([PROGRAM, *arguments], stdout=subprocess.PIPE, timeout=60, check=True)
    got_width, got_height, palette, rows = decode(png.stdout)
    assert (got_width, got_height) == (width, height)
    assert palette[:3] == b"\0\0\0" and len(palette) == 3 * 256
    pixel = across / width
    different = sum(
        rows[y][x] != colour(re + (x - width / 2) * pixel, im - (y - height / 2) * pixel, iterations)
        for y in range(height) for x in range(width))
    # A compiler may contract x * x - y * y to one operation where the processor has that.
    allowed = 0 if os.uname().machine == "x86_64" else width * height // 50
    assert different <= allowed, f"{arguments}: {different} pixels differ"
    assert len({pixel for row in rows for pixel in row}) > 5


def fails(text, arguments, stdout=subprocess.DEVNULL):
    done = subprocess.run([PROGRAM, *arguments], stdout=stdout, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 1 and text in done.stderr.decode(), (arguments, done)


def ends_by_ctrl_c():
    def workers():
        try:
            with open(f"/proc/{program.pid}/task/{program.pid}/children") as children:
                return children.read().split()
        except FileNotFoundError:
            return []

    program = subprocess.Popen([PROGRAM, "-i", "2000000000", "-a", "0.001", "-c", "0,0"],
                               stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not workers():
            assert time.monotonic() < deadline and program.poll() is None
            time.sleep(0.02)
        server = workers()
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == -signal.SIGINT
    finally:
        program.kill()
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


compare(["-s", "60x40", "-i", "100"], 60, 40, iterations=100)
compare(["-p", "3", "--size=33x7", "-c", "-0.7436,0.1318", "-a", "0.01"], 33, 7, -0.7436, 0.1318, 0.01)
fails("Try mandelbrot --help", ["--nonsense"])
fails("-s does not take '10'", ["-s", "10"])
fails("-s does not take '0x5'", ["-s", "0x5"])
fails("-p does not take '0'", ["-p", "0"])
fails("-c does not take '1;2'", ["-c", "1;2"])
fails("-a does not take 'nan'", ["-a", "nan"])
fails("what is 'picture.png'?", ["picture.png"])
with open("/dev/full", "wb") as full:
    fails("No space left on device", ["-s", "60x40"], full)
assert b"Usage" in subprocess.run([PROGRAM, "--help"], stdout=subprocess.PIPE, check=True).stdout
ends_by_ctrl_c()
