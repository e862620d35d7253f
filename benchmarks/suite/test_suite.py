#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Tests of the suite itself: what it makes of figures, and of programs that fail."""

import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import measuring  # noqa: E402
from document import Document  # noqa: E402
from figures import Figures, Key, parse, show, show_bytes  # noqa: E402
from questions import OURS, PYTHON, QUESTIONS, Figure, Limit, Question, Ratio  # noqa: E402

SPEED = Question(
    "speed", "Speed", "How fast it is.", (OURS, "pipes", PYTHON, "tbb"),
    (Figure("call", "a call"), Figure("curve", "{x}", show_bytes), Figure("efficiency", "efficiency", better="more")),
    (Ratio("against Python", "call", PYTHON, "call", 0.5), Limit("efficiency", "efficiency", at_least=90)))


def figures_of(*rows):
    figures = Figures()
    for contender, name, values, *x in rows:
        for value in values:
            figures.add(Key("speed", contender, name, x[0] if x else None), value, "%" if name == "efficiency" else "ns")
    return figures


def report(figures, quick=False):
    return Document(figures, {"machine": "a test"}, quick, 2).write([SPEED], {"speed": [("A picture", "speed")]})


class TestFigures(unittest.TestCase):
    def test_lines_of_programs(self):
        self.assertEqual(parse("apply 210.5 ns\n"), ("apply", None, 210.5, "ns"))
        self.assertEqual(parse("round_trip@1048576 3e2 us"), ("round_trip", 1048576.0, 300.0, "us"))
        with self.assertRaises(ValueError):
            parse("something that is no figure at all")

    def test_units_suit_the_value(self):
        self.assertEqual(show(1234, "ns"), "1.23 us")
        self.assertEqual(show(0.0021, "s"), "2.1 ms")
        self.assertEqual(show(97.25, "%"), "97.2 %")
        self.assertEqual(show(0, "MiB"), "0 MiB")
        self.assertEqual(show_bytes(64 << 20), "64 MiB")
        self.assertEqual(show_bytes(1 << 30), "1 GiB")

    def test_medians_and_spread(self):
        figures = figures_of((OURS, "call", [10, 30, 12]))
        key = Key("speed", OURS, "call")
        self.assertEqual(figures.median(key), 12)
        self.assertAlmostEqual(figures.spread(key), 10 / 12)

    def test_saved_figures_come_back(self):
        figures = figures_of((OURS, "call", [10, 30]), (PYTHON, "curve", [7], 64.0))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "figures.json"
            figures.save(path, {"machine": "a test"})
            again, machine = Figures.load(path)
        self.assertEqual(again.values, figures.values)
        self.assertEqual(again.units, figures.units)
        self.assertEqual(machine, {"machine": "a test"})


class TestDocument(unittest.TestCase):
    def test_promises_are_judged(self):
        text = report(figures_of((OURS, "call", [40]), (PYTHON, "call", [100]), (OURS, "efficiency", [80])))
        self.assertIn("| speed | against Python | 0.4 | at most 0.5 times | kept |", text)
        self.assertIn("| speed | efficiency | 80 | at least 90 | **missed** |", text)

    def test_a_quick_run_judges_nothing(self):
        text = report(figures_of((OURS, "call", [400]), (PYTHON, "call", [100])), quick=True)
        self.assertNotIn("missed", text)
        self.assertIn("Its figures mean nothing", text)

    def test_losses_are_named_and_floors_are_none(self):
        text = report(figures_of((OURS, "call", [40]), ("tbb", "call", [10]), ("pipes", "call", [1]),
                                 (OURS, "efficiency", [50]), ("tbb", "efficiency", [99])))
        losses = text.split("## Where others are faster")[1].split("##")[0]
        self.assertIn("| speed | a call | oneTBB | 4.00 |", losses)
        self.assertIn("| speed | efficiency | oneTBB | 1.98 |", losses)
        self.assertNotIn("fork + pipe", losses)

    def test_tables_have_ratios_and_a_row_for_each_point(self):
        text = report(figures_of((OURS, "curve", [10], 64.0), (OURS, "curve", [20], 1048576.0),
                                 (PYTHON, "curve", [55], 64.0), (PYTHON, "curve", [400], 1048576.0)))
        self.assertIn("| 64 B | 10 ns | 55 ns ×5.50 |", text)
        self.assertIn("| 1 MiB | 20 ns | 400 ns ×20 |", text)
        self.assertIn("![A picture](benchmarks/speed.png)", text)


class TestSuite(unittest.TestCase):
    """Programs are scripts in a folder of the test's own."""

    def ask(self, **scripts):
        question = Question("speed", "Speed", "", tuple(f"{name}.py" for name in scripts), (), rounds=2)
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            (place / "speed").mkdir()
            for name, text in scripts.items():
                if text is not None:
                    (place / "speed" / f"{name}.py").write_text(text)
            here, measuring.HERE = measuring.HERE, place
            suite = measuring.Suite(place, Figures(), [1, 2], 0, False)
            try:
                with contextlib.redirect_stderr(io.StringIO()) as errors:
                    suite.ask([question])
            finally:
                measuring.HERE = here
        return suite, errors.getvalue()

    def test_every_round_counts(self):
        suite, _ = self.ask(python="print('call 5 ns')")
        self.assertEqual(suite.figures.values, {Key("speed", "python.py", "call"): [5.0, 5.0]})
        self.assertEqual(suite.failures, [])

    def test_figures_of_a_program_that_fails_do_not_count(self):
        suite, errors = self.ask(python="import sys; print('call 5 ns'); sys.exit('a wrong answer')")
        self.assertEqual(suite.figures.values, {})
        self.assertIn("speed/python.py ended with 1", suite.failures)
        self.assertIn("a wrong answer", errors)

    def test_a_contender_that_is_not_there_is_named(self):
        suite, errors = self.ask(python="print('call 5 ns')", executor=None)
        self.assertEqual(suite.left_out, {("speed", "executor.py")})
        self.assertIn("left out", errors)

    def test_a_program_that_finds_its_library_missing_is_left_out(self):
        suite, _ = self.ask(python="print('call 5 ns')", tbb="import sys; sys.exit(77)")
        self.assertEqual(suite.left_out, {("speed", "tbb.py")})
        self.assertEqual(suite.failures, [])

    def test_a_program_that_hangs_is_a_failure(self):
        limit, measuring.SECONDS_AT_MOST = measuring.SECONDS_AT_MOST, 1
        try:
            suite, _ = self.ask(python="import time; time.sleep(60)")
        finally:
            measuring.SECONDS_AT_MOST = limit
        self.assertIn("did not end", suite.failures[0])


class TestQuestions(unittest.TestCase):
    def test_pictures_have_names_of_their_own(self):
        names = [plot.name for question in QUESTIONS for plot in question.plots]
        self.assertEqual(len(names), len(set(names)))

    def test_every_contender_has_a_file(self):
        folder = pathlib.Path(__file__).resolve().parent.parent
        for question in QUESTIONS:
            for contender in question.contenders:
                name = contender if contender.endswith(".py") else f"{contender}.cpp"
                self.assertTrue(os.path.exists(folder / question.name / name), f"{question.name}/{name}")

    def test_every_file_is_asked(self):
        folder = pathlib.Path(__file__).resolve().parent.parent
        for question in QUESTIONS:
            asked = {c.removesuffix(".py") for c in question.contenders}
            for path in (folder / question.name).iterdir():
                if path.suffix == ".cpp" or path.suffix == ".py" and path.read_text().startswith("#!"):
                    self.assertIn(path.stem, asked, path)


if __name__ == "__main__":
    unittest.main()
