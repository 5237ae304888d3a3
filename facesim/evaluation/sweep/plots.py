"""The charts of the sweep's page: Bokeh figures whose markers a script moves and whose colours it sets.

What the script moves has a name; what it colours has a CSS variable's name as its tag.
"""

from typing import Any

import numpy as np
from bokeh.models import FixedTicker, HoverTool, NumeralTickFormatter, Span
from bokeh.plotting import figure

from facesim.drawing.html import CLEAR
from facesim.evaluation.summary import Summary
from facesim.evaluation.sweep.charts import undrawable
from facesim.evaluation.sweep.curve import Sweep
from facesim.evaluation.sweep.det import det_span, det_ticks, on_det, to_deviate

_HEIGHT = 320  # pixels; as wide as the page lets them be


def make_plots(sweep: Sweep, summary: Summary) -> dict[str, figure]:
    """Return the charts that these pairs can show: of threshold, distances, roc, det and reliability."""
    reasons = undrawable(sweep, summary)
    return {name: make(sweep, summary) for name, make in _PLOTS.items() if name not in reasons}


def new_plot(name: str, x: str, y: str | None = None, **ranges: Any) -> figure:
    """Return an empty chart of the page's style, its axes labelled `x` and `y`."""
    plot = figure(
        height=_HEIGHT,
        sizing_mode="stretch_width",
        tools="box_zoom,reset,save",
        active_drag=None,  # else no finger could scroll past the chart
        x_axis_label=x,
        y_axis_label=y,
        **CLEAR,
        min_border_right=14,
        name=name,
        **ranges,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font = axis.major_label_text_font = "system-ui, sans-serif"
        axis.minor_tick_line_color = None
    return plot


def tag(renderer: Any, colour: str) -> Any:
    """Have the page's script give a renderer the colour of a CSS variable, and return the renderer."""
    renderer.tags = [colour]
    return renderer


def hover(plot: figure, renderer: Any, *lines: tuple[str, str], mode: str = "mouse") -> None:
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=list(lines), mode=mode))


def _add_threshold_lines(plot: figure, stored: float, name: str) -> None:
    plot.add_layout(Span(location=stored, dimension="height", line_dash="dotted", line_width=2, tags=["muted"]))
    plot.add_layout(Span(location=stored, dimension="height", line_width=2, tags=["accent"], name=name))


def _add_markers(plot: figure, x: float, y: float, name: str) -> None:
    tag(plot.scatter([x], [y], size=13, fill_color=None, line_width=2), "muted")
    tag(plot.scatter([x], [y], size=9, line_color=None, name=name), "accent")


def _threshold(sweep: Sweep, summary: Summary) -> figure:
    plot = new_plot("threshold", "threshold", x_range=(0, sweep.edges[-1]), y_range=(-0.02, 1.03))
    rates = sweep.rates
    for values, colour, dash, width in (
        (rates.precision, "precision", "dashed", 2),
        (rates.recall, "recall", "dotdash", 2),
        (rates.f1, "ink", "solid", 2.5),
    ):
        line = tag(plot.line(sweep.thresholds, values, line_dash=dash, line_width=width), colour)
    line.data_source.data.update(precision=rates.precision, recall=rates.recall)
    shown = ("F1", "@y{0.0000}"), ("precision", "@precision{0.0000}"), ("recall", "@recall{0.0000}")
    hover(plot, line, ("threshold", "@x{0.0000}"), *shown, mode="vline")
    _add_threshold_lines(plot, summary.rates.threshold, "threshold line")
    return plot


def _distances(sweep: Sweep, summary: Summary) -> figure:
    plot = new_plot("distances", "distance", "share of genuine or impostor pairs", x_range=(0, sweep.edges[-1]))
    plot.y_range.start = 0
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[0] %")
    left, right = sweep.edges[:-1], sweep.edges[1:]
    for kind, counts, of, dash in (
        ("genuine", sweep.genuine, summary.rates.genuine, "solid"),
        ("impostor", sweep.impostor, summary.rates.impostor, "dashed"),
    ):
        if of:
            bars = plot.quad(left=left, right=right, bottom=0, top=counts / of, fill_alpha=0.3, line_color=None)
            bars.data_source.data["pairs"] = counts
            hover(plot, tag(bars, kind), (kind, "@pairs{0,0} pairs"), ("distance", "@left{0.000} to @right{0.000}"))
            steps = plot.step(sweep.edges, np.append(counts / of, 0), mode="after")
            tag(steps, kind).glyph.update(line_dash=dash, line_width=1.5)
    _add_threshold_lines(plot, summary.rates.threshold, "distances line")
    return plot


def _roc(sweep: Sweep, summary: Summary) -> figure:
    low = 0.5 / summary.rates.impostor
    axes = {"x_axis_type": "log", "x_range": (low, 1), "y_range": (0, 1.03)}
    plot = new_plot("roc", "false match rate (0 at the left edge)", "genuine pairs matched", **axes)
    plot.xaxis.formatter = NumeralTickFormatter(format="0.[0000] %")
    plot.yaxis.formatter = NumeralTickFormatter(format="0 %")
    line = tag(plot.line(np.maximum(sweep.curve.fmr, low), sweep.curve.recall, line_width=2.5), "precision")
    _explain_curve(plot, line, sweep)
    _add_markers(plot, max(summary.rates.fmr, low), summary.rates.recall, "roc marker")
    return plot


def _det(sweep: Sweep, summary: Summary) -> figure:
    span = det_span(summary)
    ends, ticks = tuple(to_deviate(np.array(span), *span).tolist()), det_ticks(*span)
    margin = 0.03 * (ends[1] - ends[0])  # so that the marker shows whole on an edge
    ends = (ends[0] - margin, ends[1])
    plot = new_plot("det", "false match rate, % (0 at the edge)", "false non-match rate, %", x_range=ends, y_range=ends)
    for axis in plot.axis:
        axis.ticker = FixedTicker(ticks=list(ticks))
        axis.major_label_overrides = ticks
    plot.grid.ticker = FixedTicker(ticks=list(ticks))
    line = tag(plot.line(*on_det(sweep.curve, span), line_width=2.5), "precision")
    _explain_curve(plot, line, sweep)
    x, y = on_det(summary.rates, span)
    _add_markers(plot, float(x), float(y), "det marker")
    return plot


def _explain_curve(plot: figure, line: Any, sweep: Sweep) -> None:
    curve = sweep.curve
    line.data_source.data.update(threshold=curve.threshold, fmr=100 * curve.fmr, fnmr=100 * curve.fnmr)
    shown = ("FMR", "@fmr{0.000} %"), ("FNMR", "@fnmr{0.000} %")
    hover(plot, line, ("threshold", "@threshold{0.0000}"), *shown)


def _reliability(sweep: Sweep, summary: Summary) -> figure:
    bins, limits = summary.reliability, (-0.05, 1.05)
    plot = new_plot(
        "reliability", "stated probability", "observed share of genuine pairs", x_range=limits, y_range=limits
    )
    plot.axis.formatter = NumeralTickFormatter(format="0 %")
    tag(plot.line([0, 1], [0, 1], line_dash="dotted", line_width=2), "muted")
    filled = bins.pairs > 0
    sizes = 7 + 18 * np.sqrt(bins.pairs[filled] / bins.pairs.max())
    dots = plot.scatter(bins.stated[filled], bins.observed[filled], size=sizes, fill_alpha=0.75, line_color=None)
    dots.data_source.data["pairs"] = bins.pairs[filled]
    shown = ("stated", "@x{0.0 %}"), ("observed", "@y{0.0 %}"), ("pairs", "@pairs{0,0}")
    hover(plot, tag(dots, "precision"), *shown)
    return plot


_PLOTS = {
    "threshold": _threshold,
    "distances": _distances,
    "roc": _roc,
    "det": _det,
    "reliability": _reliability,
}
