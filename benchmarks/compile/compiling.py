# SPDX-License-Identifier: BSL-1.0
"""What the contenders share: how long a small program compiles, and how large it is."""

import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
import measure  # noqa: E402

COMPILER = shlex.split(os.environ.get("CXX", "g++"))
NOT_INSTALLED = 77
OPTIONS = ["-std=c++20", "-O2", f"-I{HERE.parents[1] / 'include'}", "-pthread"]


def run(programs, libraries=()):
    """Compiles all programs, or in a quick run the last one, which should be small.

    `programs` is a dictionary of names and source texts. Each gives compile_NAME in seconds,
    without linking, and size_NAME in KiB, linked and stripped. Each
    program must also run well.
    """
    options = measure.Options()
    wanted = list(programs)[-1:] if options.quick else list(programs)
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            if options.wants(f"compile_{name}") or options.wants(f"size_{name}"):
                compile_one(pathlib.Path(folder), name, programs[name], libraries)


def require_headers(text):
    """Leaves with the exit code that says so where a contender's headers are missing."""
    includes = "".join(line + "\n" for line in text.splitlines() if line.startswith("#include"))
    command = [*COMPILER, *OPTIONS, "-x", "c++", "-E", "-o", os.devnull, "-"]
    if subprocess.run(command, input=includes, text=True, stderr=subprocess.DEVNULL).returncode:
        sys.exit(NOT_INSTALLED)


def compile_one(folder, name, text, libraries):
    require_headers(text)
    source, translated, program = (folder / f"{name}{end}" for end in (".cpp", ".o", ""))
    source.write_text(text, encoding="ascii")
    time, _ = measure.seconds(
        lambda: subprocess.run(
            [*COMPILER, *OPTIONS, "-c", source, "-o", translated], check=True, timeout=300
        )
    )
    subprocess.run([*COMPILER, translated, "-s", "-pthread", *libraries, "-o", program], check=True)
    subprocess.run([program], check=True, stdout=subprocess.DEVNULL, timeout=60)
    measure.report(f"compile_{name}", time, "s")
    measure.report(f"size_{name}", program.stat().st_size / 1024, "KiB")
