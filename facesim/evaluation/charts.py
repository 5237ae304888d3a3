"""Charts of errors by group, and of FNIR over FPIR."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from facesim.drawing.figures import as_image, without_mathematics
from facesim.drawing.palette import BLUE, GREY, MARKS
from facesim.evaluation.formatting import number, percent
from facesim.evaluation.groups import MIN_PAIRS, GroupReport, GroupsAt, Rate
from facesim.evaluation.identification import Identification
from facesim.evaluation.metrics import TOO_FEW
from facesim.text import printable, shortened

KINDS = {"fmr": "impostor", "fnmr": "genuine"}  # whose errors each rate counts
_LETTERS, _LETTERS_OF_TITLE = 40, 80  # of a name


def draw_groups(report: GroupReport, name: str) -> Image.Image:
    """Return a picture of a report on the protocol `name`: FMR and FNMR of each group, a row each.

    The first five thresholds have marks.
    """
    points = drawn_points(report)
    rows = report.points[0].groups
    figure = Figure((11, 2.2 + len(rows) * (0.22 + 0.13 * len(points))), dpi=130, layout="constrained")
    for axes, (kind, of) in zip(figure.subplots(1, 2, sharey=True), KINDS.items(), strict=True):
        rates = [[getattr(group, kind) for group in at.groups] for at in points]
        left = lowest(rates)
        axes.set(xscale="log", xlim=(left, 1), ylim=(len(rows) - 0.5, -0.5))
        for place, row in enumerate(rows):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color=GREY, alpha=0.08, linewidth=0)
            if getattr(row, kind).rate is None:
                few = f"fewer than {MIN_PAIRS} {of} pairs"
                axes.text(left * 1.1, place, few, va="center", color=GREY, fontsize=9)
        for i, (at, of_point, (shape, colour)) in enumerate(zip(points, rates, MARKS, strict=False)):
            _draw_point(axes, of_point, offset(i, len(points)), left, shape, colour, label_of(at))
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
        axes.set_title(f"{kind.upper()}: share of {of} pairs that are wrong", fontsize=11)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(rows)), [shortened(row.group, _LETTERS) for row in rows])
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
    by = shortened(" and ".join(report.by), _LETTERS)
    title = f"{shortened(name, _LETTERS_OF_TITLE)}, by {by}; 95 % intervals; hollow: no error seen"
    figure.suptitle(title, fontsize=9, color=GREY, parse_math=False)
    marks = axes.get_legend_handles_labels()
    without_mathematics(figure.legend(*marks, loc="outside lower left", ncols=len(points), frameon=False, fontsize=9))
    return as_image(figure)


def drawn_points(report: GroupReport) -> tuple[GroupsAt, ...]:
    """Return the thresholds that a picture has marks for."""
    return report.points[: len(MARKS)]


def label_of(at: GroupsAt) -> str:
    """Return what a legend calls a threshold."""
    return f"{printable(at.name)}: {number(at.threshold)}"


def offset(place: int, count: int) -> float:
    """Return how far under a row's middle the mark of one of `count` thresholds lies."""
    return 0.7 * ((place + 0.5) / count - 0.5)


def lowest(rates: list[list[Rate]]) -> float:
    """Return where a logarithmic axis of rates begins: at half an error in the largest group."""
    return 0.5 / max([MIN_PAIRS, *(rate.pairs for of_point in rates for rate in of_point)])


def _draw_point(axes, rates: list[Rate], offset: float, left: float, shape: str, colour: str, label: str) -> None:
    axes.plot([], [], shape, color=colour, label=label)
    for place, rate in enumerate(rates):
        if rate.rate is None:
            continue
        low, high = (max(end, left) for end in rate.interval)
        axes.plot([low, high], [place + offset] * 2, color=colour, linewidth=1.5, alpha=0.7)
        mark = "none" if not rate.errors else colour
        axes.plot(max(rate.rate, left), place + offset, shape, color=colour, markerfacecolor=mark, clip_on=False)


def draw_identification(found: Identification) -> Image.Image:
    """Return a picture of FNIR over FPIR, on logarithmic axes, as in NIST's reports on identification.

    Stored thresholds are marked, and what rests on fewer than ten errors is shaded.
    """
    rates = found.rates
    never = 1 - rates.rank1
    left, bottom = 0.5 / found.non_mated, 0.5 / found.mated  # where half an error would lie
    figure = Figure((8, 7), dpi=130, layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(left, 1), ylim=(max(bottom, 0.6 * never), 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
    shade = {"color": GREY, "alpha": 0.15, "linewidth": 0}
    few_positives, few_misses = TOO_FEW / found.non_mated, TOO_FEW / found.mated
    axes.axvspan(left, few_positives, **shade, label=f"fewer than {TOO_FEW} errors: much of it is chance")
    axes.fill_between([few_positives, 1], bottom, few_misses, **shade)
    axes.plot(np.maximum(rates.curve.fpir, left), np.maximum(rates.curve.fnir, bottom), color=BLUE, linewidth=2)
    label = f"missed at any threshold (1 − rank-1): {percent(never)}"
    axes.axhline(max(never, bottom), color=GREY, linestyle=":", linewidth=1.5, label=label)
    for at, (shape, colour) in zip(rates.points, MARKS, strict=False):
        name = f"{number(at.threshold)} ({shortened(at.name, _LETTERS_OF_TITLE)})"
        label = f"{name}: FPIR {percent(at.fpir)}, FNIR {percent(at.fnir)}"
        place = max(at.fpir, left), max(at.fnir, bottom)
        axes.plot(*place, shape, color=colour, markersize=9, clip_on=False, zorder=5, label=label)
    axes.set_xlabel("FPIR: share of non-mated probes taken for somebody enrolled; 0 is drawn at the edge")
    axes.set_ylabel("FNIR: share of mated probes whose person is missed")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{shortened(found.protocol, _LETTERS_OF_TITLE)}\n{shortened(Path(found.model).name, _LETTERS_OF_TITLE)}"
    figure.suptitle(title, fontsize=9, color=GREY, parse_math=False)
    counts = f"{found.enrolled:,} enrolled, {found.mated:,} mated and {found.non_mated:,} non-mated probes"
    axes.set_title(f"Finding people among many: {counts}", fontsize=11)
    without_mathematics(figure.legend(loc="outside lower left", frameon=False, fontsize=9))
    return as_image(figure)
