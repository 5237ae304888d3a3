"""Charts of errors by group, and of FNIR over FPIR."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from PIL import Image

from facesim.drawing.figures import add_legend, as_image, new_figure, use_log_percent
from facesim.drawing.palette import BLUE, GREY, MARKS
from facesim.evaluation.formatting import number, percent
from facesim.evaluation.groups import MIN_PAIRS, GroupReport, GroupsAt, Rate
from facesim.evaluation.identification import Identification
from facesim.model_info import MIN_FALSE_MATCHES
from facesim.text import printable, shortened

KINDS = {"fmr": "impostor", "fnmr": "genuine"}  # the kind of pairs whose errors each rate counts
_LETTERS, _LETTERS_OF_TITLE = 40, 80  # of a name


def draw_groups(report: GroupReport, name: str) -> Image.Image:
    """Return a picture of a report on the protocol `name`: FMR and FNMR of each group, one row per group.

    Up to five thresholds are drawn.
    """
    points = report.points[: len(MARKS)]
    rows = report.points[0].groups
    by = shortened(" and ".join(report.by), _LETTERS)
    title = f"{shortened(name, _LETTERS_OF_TITLE)}, by {by}; 95 % intervals; hollow: no errors"
    figure = new_figure((11, 2.2 + len(rows) * (0.22 + 0.13 * len(points))), title)
    for axes, (kind, of) in zip(figure.subplots(1, 2, sharey=True), KINDS.items(), strict=True):
        rates = [[getattr(group, kind) for group in at.groups] for at in points]
        left = lowest(rates)
        axes.set(xscale="log", xlim=(left, 1), ylim=(len(rows) - 0.5, -0.5))
        for y, row in enumerate(rows):
            if y % 2:
                axes.axhspan(y - 0.5, y + 0.5, color=GREY, alpha=0.08, linewidth=0)
            if getattr(row, kind).rate is None:
                few = f"fewer than {MIN_PAIRS} {of} pairs"
                axes.text(left * 1.1, y, few, va="center", color=GREY, fontsize=9)
        for i, (at, of_point, (shape, colour)) in enumerate(zip(points, rates, MARKS, strict=False)):
            axes.plot([], [], shape, color=colour, label=label_of(at))
            _draw_point(axes, of_point, offset(i, len(points)), left, shape, colour)
        use_log_percent(axes.xaxis, LogLocator(numticks=8))
        axes.set_title(f"{kind.upper()}: share of {of} pairs that are wrong", fontsize=11)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(rows)), [shortened(row.group, _LETTERS) for row in rows])
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
    add_legend(figure, *axes.get_legend_handles_labels(), loc="outside lower left", ncols=len(points))
    return as_image(figure)


def label_of(at: GroupsAt) -> str:
    """Return a threshold's label in a legend."""
    return f"{printable(at.name)}: {number(at.threshold)}"


def offset(i: int, count: int) -> float:
    """Return how far below the middle of its row the mark of threshold `i` of `count` lies, in rows."""
    return 0.7 * ((i + 0.5) / count - 0.5)


def lowest(rates: list[list[Rate]]) -> float:
    """Return where a logarithmic axis of rates begins: at half an error in the largest group."""
    return 0.5 / max([MIN_PAIRS, *(rate.pairs for of_point in rates for rate in of_point)])


def _draw_point(axes: Axes, rates: list[Rate], offset: float, left: float, shape: str, colour: str) -> None:
    for row, rate in enumerate(rates):
        if rate.rate is None or rate.interval is None:
            continue
        ends = np.maximum(rate.interval, left)
        axes.plot(ends, [row + offset] * 2, color=colour, linewidth=1.5, alpha=0.7)
        fill = "none" if not rate.errors else colour
        axes.plot(max(rate.rate, left), row + offset, shape, color=colour, markerfacecolor=fill, clip_on=False)


def draw_identification(found: Identification) -> Image.Image:
    """Return a picture of FNIR over FPIR, on logarithmic axes, as in NIST's reports on identification.

    Stored thresholds are marked, and rates that rest on fewer than ten errors are shaded.
    """
    rates = found.rates
    never = 1 - rates.rank1
    left, bottom = 0.5 / found.non_mated, 0.5 / found.mated  # half an error
    names = (found.protocol, Path(found.model).name)
    figure = new_figure((8, 7), "\n".join(shortened(name, _LETTERS_OF_TITLE) for name in names))
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(left, 1), ylim=(max(bottom, 0.6 * never), 1))
    for axis in (axes.xaxis, axes.yaxis):
        use_log_percent(axis, LogLocator(subs=(1, 2, 5)))
    few_positives, few_misses = MIN_FALSE_MATCHES / found.non_mated, MIN_FALSE_MATCHES / found.mated
    label = f"fewer than {MIN_FALSE_MATCHES} errors: largely chance"
    axes.axvspan(left, few_positives, color=GREY, alpha=0.15, linewidth=0, label=label)
    axes.fill_between([few_positives, 1], bottom, few_misses, color=GREY, alpha=0.15, linewidth=0)
    axes.plot(np.maximum(rates.curve.fpir, left), np.maximum(rates.curve.fnir, bottom), color=BLUE, linewidth=2)
    label = f"missed at any threshold (1 − rank-1): {percent(never)}"
    axes.axhline(max(never, bottom), color=GREY, linestyle=":", linewidth=1.5, label=label)
    for at, (shape, colour) in zip(rates.points, MARKS, strict=False):
        name = f"{number(at.threshold)} ({shortened(at.name, _LETTERS_OF_TITLE)})"
        label = f"{name}: FPIR {percent(at.fpir)}, FNIR {percent(at.fnir)}"
        x, y = max(at.fpir, left), max(at.fnir, bottom)
        axes.plot(x, y, shape, color=colour, markersize=9, clip_on=False, zorder=5, label=label)
    axes.set_xlabel("FPIR: share of non-mated probes matched to somebody enrolled; 0 is drawn at the edge")
    axes.set_ylabel("FNIR: share of mated probes whose person is missed")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    counts = f"{found.enrolled:,} enrolled, {found.mated:,} mated and {found.non_mated:,} non-mated probes"
    axes.set_title(f"Finding people among many: {counts}", fontsize=11)
    add_legend(figure, *axes.get_legend_handles_labels(), loc="outside lower left")
    return as_image(figure)
