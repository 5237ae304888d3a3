"""Errors by group on the sweep's page: a chart of FMR and one of FNMR, one row per group."""

import numpy as np
from bokeh.models import FixedTicker, NumeralTickFormatter
from bokeh.plotting import figure

from facesim.evaluation.charts import KINDS, label_of, lowest, offset
from facesim.evaluation.groups import MIN_PAIRS, GroupReport
from facesim.evaluation.sweep.plots import hover, new_plot, tag
from facesim.evaluation.text import rate_in_words
from facesim.text import printable

GROUP_COLOURS = ("ink", "recall", "accent", "genuine", "precision")  # of the thresholds drawn: CSS variables
_MARKS = ("circle", "square", "triangle", "diamond", "inverted_triangle")
_ROW = 18  # pixels for each threshold of a group


def group_plots(report: GroupReport) -> dict[str, figure]:
    """Return the charts for which some group has enough pairs, by their names on the page."""
    reasons = undrawable_groups(report)
    return {f"group_{kind}": _plot(report, kind) for kind in KINDS if f"group_{kind}" not in reasons}


def undrawable_groups(report: GroupReport) -> dict[str, str]:
    """Return the charts that would be empty, and why, in a sentence."""
    return {
        f"group_{kind}": f"No group has {MIN_PAIRS} {pairs} pairs."
        for kind, pairs in KINDS.items()
        if all(getattr(group, kind).rate is None for group in report.points[0].groups)
    }


def _plot(report: GroupReport, kind: str) -> figure:
    points, groups = report.points[: len(_MARKS)], report.points[0].groups
    rates = [[getattr(group, kind) for group in at.groups] for at in points]
    left = lowest(rates)
    axes = {"x_axis_type": "log", "x_range": (0.8 * left, 1), "y_range": (len(groups) - 0.5, -0.5)}
    plot = new_plot(f"group_{kind}", f"{kind.upper()} (0 at the left edge)", None, **axes)
    plot.height = 90 + _ROW * (len(points) + 1) * len(groups)
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0000] %")
    plot.yaxis.ticker = FixedTicker(ticks=list(range(len(groups))))
    plot.yaxis.major_label_overrides = {i: printable(group.group) for i, group in enumerate(groups)}
    plot.ygrid.visible = False
    for i, (at, of_point, colour, mark) in enumerate(zip(points, rates, GROUP_COLOURS, _MARKS, strict=False)):
        for seen in (True, False):
            rows = [row for row, rate in enumerate(of_point) if rate.rate is not None and bool(rate.errors) == seen]
            if not rows:
                continue
            stated = [of_point[row] for row in rows]
            y = np.array(rows) + offset(i, len(points))
            ends = np.maximum([rate.interval for rate in stated], left)
            tag(plot.segment(ends[:, 0], y, ends[:, 1], y, line_width=2, line_alpha=0.7), colour)
            fill = {} if seen else {"fill_color": None}
            dots = plot.scatter(np.maximum([rate.rate for rate in stated], left), y, size=9, marker=mark, **fill)
            dots.data_source.data["group"] = [printable(groups[row].group) for row in rows]
            dots.data_source.data["rate"] = [rate_in_words(rate) for rate in stated]
            hover(plot, tag(dots, colour), ("group", "@group"), ("at", label_of(at)), (kind.upper(), "@rate"))
    return plot
