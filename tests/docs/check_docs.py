# SPDX-License-Identifier: BSL-1.0
"""Checks the README and the pages in docs/:

- relative links lead to files that exist, and to headings that exist in them;
- each block of C++ and of Python is part of a file that is compiled or run (white space aside);
- what the compiler is said to say stands in a header, and a test in compile_fail expects it;
- docs/from-python.md has each name in multiprocessing.__all__, and a section for each exercise;
- an exercise is at most 60 lines long and has a Python twin and an expected output; the README has
  at most 300 lines.

usage: check_docs.py ROOT
"""
import multiprocessing
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
pages = [root / "README.md", *sorted(root.glob("docs/*.md"))]
problems = []


def squeezed(text):
    return re.sub(r"\s+", "", text)


def glob(*patterns):
    return [path.read_text() for pattern in patterns for path in sorted(root.glob(pattern))]


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page):
    """The names of a page's headings, as GitHub makes them."""
    found = set()
    for title in re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        found.add(name)
    return found


def check_links(page, text):
    for target in re.findall(r"\]\(([^()\s]+)\)", without_code(text)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        if not path.exists():
            problems.append(f"{page.name}: the link {target} leads nowhere")
        elif anchor and anchor not in anchors(path):
            problems.append(f"{page.name}: no heading for the link {target}")


def check_blocks(page, text):
    for language, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        if language in sources and not any(squeezed(block) in s for s in sources[language]):
            problems.append(f"{page.name}: this {language} is in no program:\n{block}")
    for said in re.findall(r"```\w*\nerror: static assertion failed: (.*?)```", text, re.DOTALL):
        if squeezed(said) not in literals or not any(squeezed(e) in squeezed(said) for e in expected):
            problems.append(f"{page.name}: no compiler says this:\n{said}")


def check_exercises():
    text = (root / "docs/from-python.md").read_text()
    for number in range(1, 21):
        programs = list(root.glob(f"examples/{number:02}_*.cpp"))
        if len(programs) != 1:
            problems.append(f"examples: {len(programs)} programs with the number {number:02}")
            continue
        name = programs[0].stem
        for file in f"examples/python/{name}.py", f"examples/expected/{name}.txt":
            if not (root / file).exists():
                problems.append(f"{name} has no {file}")
        for file in f"../examples/{name}.cpp", f"../examples/python/{name}.py":
            if f"({file})" not in text:
                problems.append(f"from-python.md does not link to {file}")
        if not re.search(f"^### {number:02} ", text, re.MULTILINE):
            problems.append(f"from-python.md has no section {number:02}")
    for path in root.glob("examples/[0-4][0-9]_*.cpp"):
        lines = len(path.read_text().splitlines())
        if lines > 60 and not path.stem.startswith("3"):
            problems.append(f"{path.name} has {lines} lines")
    for name in multiprocessing.__all__:
        if f"`{name}`" not in text:
            problems.append(f"from-python.md does not mention {name}")


# All adjacent string literals of the headers joined, for the texts of static_assert.
headers = "".join(glob("include/**/*.hpp"))
advice = re.search(r"#define MULTIPROCESSING_ADVICE(.*?[^\\])\n", headers, re.DOTALL).group(1)
headers = re.sub(r"//.*\n\s*MULTIPROCESSING_ADVICE", lambda _: advice, headers)
literals = squeezed("".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', headers)))
expected = [t.partition("\n")[0].removeprefix("// expect: ") for t in glob("tests/compile_fail/*.cpp")]
sources = {
    "cpp": [squeezed(t) for t in glob("examples/*.cpp", "tests/docs/*.cpp", "tests/compile_fail/*.cpp")],
    "python": [squeezed(t) for t in glob("examples/python/*.py")],
}

for page in pages:
    text = page.read_text()
    check_links(page, text)
    check_blocks(page, text)
check_exercises()
if len(pages[0].read_text().splitlines()) > 300:
    problems.append("README.md has more than 300 lines")
print(*problems, sep="\n")
sys.exit(1 if problems else 0)
