# SPDX-License-Identifier: BSL-1.0
"""The report as Markdown: a table for each question, what was promised, and what was lost."""

from figures import Key, show
from questions import FLOORS, LABELS, OURS, Figure, Ratio

LOSS = 1.05  # a contender that is faster by more than this is named among the losses


def heading(contender):
    return LABELS.get(contender, contender) + (" (floor)" if contender in FLOORS else "")


class Document:
    """`figures`: what was measured. `machine`: {what: text}. `quick`: too short to judge."""

    def __init__(self, figures, machine, quick, cpus):
        self.figures = figures
        self.machine = machine
        self.quick = quick
        self.cpus = cpus

    def write(self, questions, pictures):
        """The whole text. `pictures`: {question: [(title, file)]}."""
        parts = [self.head()]
        asked = [question for question in questions if self.contenders(question)]
        parts += [self.promises(asked), self.losses(asked)]
        for question in asked:
            parts.append(self.answer(question, pictures.get(question.name, [])))
        return "\n".join(part for part in parts if part)

    def head(self):
        lines = ["# Benchmarks", "",
                 "Written by `bash benchmarks/run.sh`; [benchmarks/README.md](../benchmarks/README.md) says how it measures.", ""]
        if self.quick:
            lines += ["**A quick run: it shows that everything works. Its figures mean nothing.**", ""]
        lines += ["| | |", "|---|---|"]
        lines += [f"| {what} | {text} |" for what, text in self.machine.items()]
        lines += ["",
                  "A cell is the median of all rounds, ± half of what lies between the least and the largest, and "
                  "how many times our time that is: **×** under 1 means that the contender was faster. *Floor*: "
                  "what the machine itself takes, by the plainest means. Shared machines are noisy: read ratios, not times.", ""]
        return "\n".join(lines)

    # ---- promises and losses

    def judged_at(self, question):
        """The number of workers of which promises speak, among those that were measured."""
        if not question.by_workers:
            return None
        measured = sorted({key.workers for key in self.figures.values if key.question == question.name})
        wanted = self.cpus if question.all_cpus else 2
        return wanted if wanted in measured else measured[-1]

    def promises(self, questions):
        rows = []
        for question in questions:
            workers = self.judged_at(question)
            for promise in question.promises:
                row = self.promise(question.name, promise, workers)
                if row:
                    rows.append(f"| {question.name} | {row} |")
        if not rows:
            return ""
        return "\n".join(["## What the library promises itself", "",
                          "| question | | figure | promised | |", "|---|---|---|---|---|", *rows, ""])

    def promise(self, question, promise, workers):
        ours = Key(question, OURS, promise.ours, promise.x, workers)
        if ours not in self.figures:
            return None
        value = self.figures.median(ours)
        if isinstance(promise, Ratio):
            theirs = Key(question, promise.contender, promise.theirs, promise.x, workers)
            if theirs not in self.figures:
                return None
            value /= self.figures.median(theirs)
            kept, bound = value <= promise.at_most, f"at most {promise.at_most:.3g} times"
        elif promise.at_most is not None:
            kept, bound = value <= promise.at_most, f"at most {promise.at_most:g}"
        else:
            kept, bound = value >= promise.at_least, f"at least {promise.at_least:g}"
        verdict = "" if self.quick else "kept" if kept else "**missed**"
        return f"{promise.text} | {value:.3g} | {bound} | {verdict}"

    def losses(self, questions):
        """Where a contender, not a floor, was faster."""
        most = {}  # of all numbers of workers
        for question in questions:
            for label, figure, x, workers in self.rows(question):
                ours = Key(question.name, OURS, figure.name, x, workers)
                if ours not in self.figures or label.endswith("longest"):  # of which one moment decides
                    continue
                for contender in self.contenders(question):
                    factor = self.factor(question, figure, ours, ours._replace(contender=contender))
                    if contender in FLOORS or factor is None or factor > 1 / LOSS:
                        continue
                    row = f"| {question.name} | {label.strip()} | {heading(contender)} |"
                    most[row] = max(most.get(row, 0), 1 / factor)
        rows = sorted(most.items(), key=lambda item: -item[1])
        if not rows or self.quick:
            return ""
        return "\n".join(["## Where others are faster", "",
                          "| question | figure | who | times as fast |", "|---|---|---|---|",
                          *(f"{row} {times:.2f} |" for row, times in rows), ""])

    def factor(self, question, figure, ours, theirs):
        """Their time in units of ours; None where there is nothing to compare."""
        if theirs == ours or theirs.contender in question.own_work or theirs not in self.figures or ours not in self.figures:
            return None
        a, b = self.figures.median(ours), self.figures.median(theirs)
        if figure.better == "more":
            a, b = b, a
        return b / a if a > 0 and b > 0 else None

    # ---- tables

    def contenders(self, question):
        found = {key.contender for key in self.figures.values if key.question == question.name}
        order = [OURS, *(c for c in question.contenders if c != OURS)]
        return [contender for contender in order if contender in found]

    def rows(self, question):
        """(label, figure, x, workers) of each row."""
        figures = question.figures or self.every_figure(question)
        counts = sorted({key.workers for key in self.figures.values
                         if key.question == question.name and key.workers is not None}) or [None]
        for figure in figures:
            is_curve = "{x}" in figure.label
            keys = [key for key in self.figures.values if key[:1] == (question.name,) and key.name == figure.name]
            places = sorted({key.x for key in keys if key.x is not None}) if is_curve else [None]
            for x in places:
                for workers in counts:
                    if not any(key.x == x and key.workers == workers for key in keys):
                        continue
                    label = figure.label if x is None else figure.label.replace("{x}", figure.show_x(x))
                    yield label, figure, x, workers

    def every_figure(self, question):
        names = dict.fromkeys(key.name for key in self.figures.values if key.question == question.name)
        return [Figure(name, f"`{name}`") for name in names]

    def answer(self, question, pictures):
        contenders = self.contenders(question)
        rows = list(self.rows(question))
        lines = [f"## {question.title}", "", question.text, ""]
        lines += [f"![{title}](benchmarks/{file}.png)" for title, file in pictures]
        lines += [""] if pictures else []
        counted = any(workers is not None for *_, workers in rows)
        head = ["", "workers"] if counted else [""]
        lines.append("| " + " | ".join(head + [heading(contender) for contender in contenders]) + " |")
        lines.append("|" + "---|" * (len(head) + len(contenders)))
        previous = None
        for label, figure, x, workers in rows:
            cells = ["" if label == previous else label.replace("  ", "&nbsp;&nbsp;")]
            previous = label
            cells += [str(workers)] if counted else []
            ours = Key(question.name, OURS, figure.name, x, workers)
            cells += [self.cell(question, figure, ours, ours._replace(contender=contender)) for contender in contenders]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines + [""])

    def cell(self, question, figure, ours, key):
        if key not in self.figures:
            return ""
        text = show(self.figures.median(key), self.figures.units[key])
        if len(self.figures.values[key]) > 1:
            text += f" ±{100 * self.figures.spread(key):.0f} %"
        factor = self.factor(question, figure, ours, key)
        if factor is None or figure.better == "more":
            return text
        times = f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"
        return f"{text} ×{times}"
