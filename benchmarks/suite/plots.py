# SPDX-License-Identifier: BSL-1.0
"""The pictures of the report, drawn by matplotlib as SVG and as PNG."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullLocator  # noqa: E402

from figures import Key, show, show_bytes, show_length  # noqa: E402
from questions import FLOORS, LABELS, OURS  # noqa: E402

# The same colour for the same contender in every picture (Okabe and Ito's, told apart by all eyes).
COLOURS = {
    OURS: "#d55e00", "python.py": "#0072b2", "executor.py": "#56b4e9", "loky.py": "#9467bd",
    "asio": "#009e73", "async": "#8c8c00", "tbb": "#cc79a7", "openmp": "#e69f00", "mpi": "#7f5539",
    "zeromq": "#009e73", "redis": "#cc79a7", "boost": "#e69f00",
}
IN_NANOSECONDS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def style(contender):
    if contender in FLOORS:
        return {"color": "#666666", "linestyle": "--", "linewidth": 1.2, "marker": ".", "zorder": 1}
    ours = contender == OURS
    return {"color": COLOURS.get(contender, "#333333"), "linewidth": 2.6 if ours else 1.4,
            "marker": "o", "markersize": 5 if ours else 3.5, "zorder": 3 if ours else 2}


def label(contender):
    return LABELS.get(contender, contender) + (" (floor)" if contender in FLOORS else "")


class Pictures:
    """Draws into `folder` what `figures` holds."""

    def __init__(self, figures, folder, cpus):
        self.figures = figures
        self.folder = folder
        self.cpus = cpus

    def draw(self, question):
        """[(title, name)] of the pictures that were drawn."""
        drawn = []
        for plot in question.plots:
            picture = getattr(self, plot.kind)(question, plot)
            if picture is None:
                continue
            picture.savefig(self.folder / f"{plot.name}.svg", bbox_inches="tight", metadata={"Date": None})
            picture.savefig(self.folder / f"{plot.name}.png", bbox_inches="tight", dpi=110)
            plt.close(picture)
            drawn.append((plot.title, plot.name))
        return drawn

    def workers(self, question):
        """The number of workers of which a picture with another axis speaks: the CPUs."""
        if not question.by_workers:
            return None
        measured = sorted({key.workers for key in self.figures.values if key.question == question.name})
        return self.cpus if self.cpus in measured else measured[-1] if measured else None

    def panels(self, count, title):
        picture, axes = plt.subplots(1, count, figsize=(max(7.2, 4.4 * count), 4.4), squeeze=False)
        picture.suptitle(title)
        return picture, axes[0]

    def finish(self, axis, x_label, y_label, legend=True):
        axis.set_xlabel(x_label)
        axis.set_ylabel(y_label)
        axis.grid(True, which="major", color="#dddddd", linewidth=0.7)
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
        if legend:
            axis.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))

    def curves(self, question, plot):
        """A figure against the axis of its curve; a panel for each figure."""
        given = plot.options
        found = [(name, self.curves_of(question, name, given.get("contenders", question.contenders)))
                 for name in plot.figures]
        found = [(name, curves) for name, curves in found if curves]
        if not found:
            return None
        picture, axes = self.panels(len(found), plot.title)
        for axis, (name, curves) in zip(axes, found):
            time = "y_unit" not in given
            for contender, points in curves:
                unit = self.unit_of(question, contender, name)
                scale = IN_NANOSECONDS[unit] if time else 1
                axis.plot(list(points), [value * scale for value in points.values()], label=label(contender),
                          **style(contender))
            for text, height in given.get("lines", {}).items():
                axis.axhline(height, color="#999999", linestyle=":", linewidth=1)
                axis.annotate(text, (0.99, height), xycoords=("axes fraction", "data"), fontsize=8,
                              va="top", ha="right")
            if not given.get("linear_x"):
                axis.set_xscale("log")
            if given.get("linear_y"):
                axis.set_ylim(bottom=0)
            else:
                axis.set_yscale("log")
            places = sorted({x for _, points in curves for x in points})
            if given.get("linear_x"):
                axis.set_xticks(places)
            if given.get("x_unit") == "us":
                axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: show_length(x)))
            else:
                axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
            if time:
                axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: show(y, "ns")))
            if len(found) > 1:
                axis.set_title(name, fontsize=10)
            unit = given.get("x_unit")
            x_label = given["x"] + (f", {unit}" if unit and unit != "us" else "")
            y_label = given["y"] + (f", {given['y_unit']}" if "y_unit" in given else "")
            self.finish(axis, x_label, y_label, legend=axis is axes[-1])
        picture.tight_layout()
        return picture

    def unit_of(self, question, contender, name):
        """Of a curve; a single figure of that name may have another one."""
        return next(unit for key, unit in self.figures.units.items()
                    if key[:3] == (question.name, contender, name) and key.x is not None)

    def curves_of(self, question, name, contenders):
        workers = self.workers(question)
        curves = [(contender, self.figures.points(question.name, contender, name, workers))
                  for contender in contenders]
        return [(contender, points) for contender, points in curves if points]

    def throughput(self, question, plot):
        """Bytes a second against the size of what is moved."""
        curves = self.curves_of(question, plot.figures[0], question.contenders)
        if not curves:
            return None
        picture, (axis,) = self.panels(1, plot.title)
        for contender, points in curves:
            unit = self.unit_of(question, contender, plot.figures[0])
            rates = [plot.options.get("times", 1) * size / (value * IN_NANOSECONDS[unit])
                     for size, value in points.items()]  # bytes a nanosecond are GB a second
            axis.plot(list(points), rates, label=label(contender), **style(contender))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        places = sorted({x for _, points in curves for x in points})
        axis.set_xticks(places)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: show_bytes(x)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.tick_params(axis="x", labelrotation=45)
        axis.yaxis.set_major_formatter(FuncFormatter(
            lambda y, _: f"{y:g} GB/s" if y >= 1 else f"{y * 1e3:g} MB/s" if y >= 1e-3 else f"{y * 1e6:g} kB/s"))
        self.finish(axis, plot.options["x"], plot.options["y"])
        return picture

    def percentiles(self, question, plot):
        """How long all but a few take."""
        found = [(name, self.curves_of(question, name, question.contenders)) for name in plot.figures]
        found = [(name, curves) for name, curves in found if curves]
        if not found:
            return None
        picture, axes = self.panels(len(found), plot.title)
        for axis, (name, curves) in zip(axes, found):
            places = sorted({x for _, points in curves for x in points})
            for contender, points in curves:
                unit = self.unit_of(question, contender, name)
                axis.plot([places.index(x) for x in points],
                          [value * IN_NANOSECONDS[unit] for value in points.values()],
                          label=label(contender), **style(contender))
            axis.set_xticks(range(len(places)), [("longest" if x == 100 else f"{x:g} %") for x in places])
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: show(y, "ns")))
            if len(found) > 1:
                axis.set_title(name, fontsize=10)
            self.finish(axis, "so many are not longer", "latency", legend=axis is axes[-1])
        picture.tight_layout()
        return picture

    def speed_up(self, question, plot):
        """How many times as fast as one thread in the same language; a panel for each figure."""
        picture, axes = self.panels(len(plot.figures), plot.title)
        drawn = False
        for axis, name in zip(axes, plot.figures):
            most = 1
            for contender in question.contenders:
                points = self.speed_ups(question.name, contender, name)
                if not points or contender == "serial":
                    continue
                drawn = True
                most = max(most, *points)
                axis.plot(list(points), list(points.values()), label=label(contender), **style(contender))
            ideal = range(1, most + 1)
            axis.plot(ideal, [min(n, self.cpus) for n in ideal], color="#000000", linestyle=":", linewidth=1.2,
                      label=f"ideal on {self.cpus} CPUs", zorder=0)
            axis.set_ylim(bottom=0)
            axis.set_xticks(sorted({key.workers for key in self.figures.values
                                    if key.question == question.name and key.workers}))
            axis.set_title(name.replace("_", " "), fontsize=10)
            self.finish(axis, "workers", "speed-up", legend=axis is axes[-1])
        if not drawn:
            plt.close(picture)
            return None
        picture.tight_layout()
        return picture

    def speed_ups(self, question, contender, name):
        points = {}
        for workers, time in self.figures.over_workers(question, contender, name).items():
            own = Key(question, contender, f"{name}_serial", None, workers)
            base = own if own in self.figures else Key(question, "serial", name, None, workers)
            if base in self.figures:
                points[workers] = self.figures.median(base) / time
        return points

    def bars(self, question, plot):
        """A group of bars for each figure."""
        workers = self.workers(question)
        contenders = [c for c in question.contenders
                      if any(Key(question.name, c, name, None, workers) in self.figures for name in plot.figures)]
        if not contenders:
            return None
        picture, (axis,) = self.panels(1, plot.title)
        width = 0.8 / len(contenders)
        for place, contender in enumerate(contenders):
            heights = []
            for name in plot.figures:
                key = Key(question.name, contender, name, None, workers)
                heights.append(self.figures.median(key) * IN_NANOSECONDS[self.figures.units[key]]
                               if key in self.figures else 0)
            colour = style(contender)["color"]
            axis.bar([group + place * width for group in range(len(plot.figures))], heights, width,
                     color=colour, label=label(contender))
        ideal = Key(question.name, "serial", "ideal", None, workers)
        if ideal in self.figures:
            axis.axhline(self.figures.median(ideal) * IN_NANOSECONDS[self.figures.units[ideal]],
                         color="#000000", linestyle=":", linewidth=1.2, label="ideal")
        axis.set_xticks([group + 0.4 - width / 2 for group in range(len(plot.figures))],
                        [next((f.label for f in question.figures if f.name == name), name) for name in plot.figures],
                        fontsize=8)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda y, _: show(y, "ns") if y else "0"))
        self.finish(axis, f"{workers} workers" if workers else "", "time")
        return picture
