"""Draw a sweep as pictures: one PNG per chart, with a sentence instead where the pairs cannot show it."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from facesim.drawing.figures import as_image, new_figure, use_log_percent
from facesim.drawing.palette import BLUE, GREEN, GREY, INK, ORANGE, RED
from facesim.evaluation.formatting import percent
from facesim.evaluation.metrics import Rates
from facesim.evaluation.summary import Summary
from facesim.evaluation.sweep.curve import Sweep
from facesim.evaluation.sweep.det import det_span, det_ticks, on_det, to_deviate
from facesim.files import save_picture
from facesim.text import printable


def undrawable(sweep: Sweep, summary: Summary) -> dict[str, str]:
    """Return the charts that these pairs cannot show, and why, in a sentence."""
    rates = summary.rates
    words: dict[str, str] = {}
    if not rates.genuine or not rates.impostor:
        words = dict.fromkeys(("roc", "det", "reliability"), "This needs genuine and impostor pairs.")
    elif np.isnan(summary.reliability.cllr):
        words = {"reliability": "This needs genuine and impostor pairs with a face in both photos."}
    if not rates.genuine:
        words["threshold"] = "There are no genuine pairs, so there is no recall, and no F1."
    if not sweep.genuine.sum() + sweep.impostor.sum():
        words |= dict.fromkeys(("threshold", "distances", "roc", "det"), "No pair has a face in both photos.")
    return words


def draw_charts(sweep: Sweep, summary: Summary, name: str, folder: Path) -> None:
    """Write threshold.png, distances.png, roc.png, det.png and reliability.png, titled with `name`, to a folder."""
    reasons = undrawable(sweep, summary)
    for chart, draw in CHARTS.items():
        figure = new_figure((7, 4.6), printable(name), dpi=140)
        axes = figure.subplots()
        if chart in reasons:
            axes.set_axis_off()
            axes.text(0.5, 0.5, reasons[chart], ha="center", va="center", wrap=True, color=INK)
        else:
            draw(axes, sweep, summary)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        save_picture(as_image(figure), folder / f"{chart}.png")


def _draw_threshold(axes: Axes, sweep: Sweep, summary: Summary) -> None:
    _mark(axes, summary.rates)
    axes.plot(sweep.thresholds, sweep.rates.f1, color=INK, linewidth=2, label="F1")
    axes.plot(sweep.thresholds, sweep.rates.precision, color=BLUE, linestyle="--", label="precision")
    axes.plot(sweep.thresholds, sweep.rates.recall, color=ORANGE, linestyle="-.", label="recall")
    if sweep.best is not None:
        best = sweep.thresholds[sweep.best], sweep.rates.f1[sweep.best]
        axes.plot(*best, "o", color=INK, label="best F1 on these pairs")
    axes.set(title="What the threshold costs", xlabel="threshold", ylim=(-0.02, 1.02), xlim=(0, sweep.edges[-1]))
    axes.legend(loc="best")


def _draw_distances(axes: Axes, sweep: Sweep, summary: Summary) -> None:
    for kind, counts, of, colour, style in (
        ("genuine", sweep.genuine, summary.rates.genuine, GREEN, "-"),
        ("impostor", sweep.impostor, summary.rates.impostor, RED, "--"),
    ):
        if of:
            label = f"{kind}: {counts.sum():,} of {of:,} pairs have a distance"
            axes.stairs(counts / of, sweep.edges, fill=True, color=colour, alpha=0.22)
            axes.stairs(counts / of, sweep.edges, color=colour, linestyle=style, label=label)
    _mark(axes, summary.rates)
    axes.set(
        title="Distances", xlabel="distance", ylabel="share of genuine or impostor pairs", xlim=(0, sweep.edges[-1])
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper right")


def _mark(axes: Axes, rates: Rates[float]) -> None:
    label = f"stored threshold {rates.threshold:.4f}"
    axes.axvline(rates.threshold, color=GREY, linestyle=":", linewidth=1.5, label=label)


def _draw_roc(axes: Axes, sweep: Sweep, summary: Summary) -> None:
    low = 0.5 / summary.rates.impostor
    axes.plot(np.maximum(sweep.curve.fmr, low), sweep.curve.recall, color=BLUE)
    axes.plot(max(summary.rates.fmr, low), summary.rates.recall, "o", color=INK, label="stored threshold")
    axes.set(title=f"ROC: AUC {summary.auc:.4f}", xscale="log", xlim=(low, 1), ylim=(0, 1.02))
    axes.set(xlabel="false match rate; 0 is drawn at the left edge", ylabel="genuine pairs matched (TAR)")
    use_log_percent(axes.xaxis, LogLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")


def _draw_det(axes: Axes, sweep: Sweep, summary: Summary) -> None:
    span = det_span(summary)
    axes.plot(*on_det(sweep.curve, span), color=BLUE)
    axes.plot(*on_det(summary.rates, span), "o", color=INK, label="stored threshold", clip_on=False, zorder=5)
    ends, ticks = to_deviate(np.array(span), *span), det_ticks(*span)
    axes.set(title=f"DET: EER {percent(summary.eer)}", xlim=ends, ylim=ends)
    axes.set(xlabel="false match rate, %; 0 is drawn at the edge", ylabel="false non-match rate, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(list(ticks), list(ticks.values()))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper right")


def _draw_reliability(axes: Axes, sweep: Sweep, summary: Summary) -> None:
    bins, limits = summary.reliability, (-0.05, 1.05)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfect calibration")
    sizes = 15 + 385 * bins.pairs / bins.pairs.max()
    label = "a tenth of the scale; larger: more pairs"
    axes.scatter(bins.stated, bins.observed, sizes, color=BLUE, alpha=0.75, linewidth=0, label=label)
    axes.set(title=f"Calibration: Cllr {bins.cllr:.3f} bits, ECE {bins.expected_error:.2%}", xlim=limits, ylim=limits)
    axes.set(xlabel="stated probability", ylabel="observed share of genuine pairs (equal priors)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="upper left", markerscale=0.5)


CHARTS = {
    "threshold": _draw_threshold,
    "distances": _draw_distances,
    "roc": _draw_roc,
    "det": _draw_det,
    "reliability": _draw_reliability,
}
