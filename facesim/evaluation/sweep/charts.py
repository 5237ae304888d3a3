"""Draw a sweep as pictures: one PNG per chart, with words in place of what the pairs cannot show."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter

from facesim.drawing.figures import any_letters
from facesim.drawing.palette import BLUE, GREEN, GREY, INK, ORANGE, RED
from facesim.evaluation.formatting import percent
from facesim.evaluation.metrics import Rates
from facesim.evaluation.summary import Summary
from facesim.evaluation.sweep.curve import Sweep
from facesim.evaluation.sweep.det import det_range, det_ticks, to_deviate
from facesim.files import write_whole


def undrawable(sweep: Sweep, summary: Summary) -> dict[str, str]:
    """Return the charts that these pairs cannot show, and why, in a sentence."""
    rates, words = summary.rates, {}
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
        figure = Figure((7, 4.6), layout="constrained")
        axes = figure.subplots()
        if chart in reasons:
            axes.set_axis_off()
            axes.text(0.5, 0.5, reasons[chart], ha="center", va="center", wrap=True, color=INK)
        else:
            draw(axes, sweep, summary)
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(name.encode(errors="replace").decode(), fontsize=9, color=GREY, parse_math=False)
        with write_whole(folder / f"{chart}.png") as scratch, any_letters():
            figure.savefig(scratch, dpi=140)


def _draw_threshold(axes, sweep: Sweep, summary: Summary) -> None:
    _mark(axes, summary.rates)
    axes.plot(sweep.thresholds, sweep.rates.f1, color=INK, linewidth=2, label="F1")
    axes.plot(sweep.thresholds, sweep.rates.precision, color=BLUE, linestyle="--", label="precision")
    axes.plot(sweep.thresholds, sweep.rates.recall, color=ORANGE, linestyle="-.", label="recall")
    if sweep.best is not None:
        axes.plot(
            sweep.thresholds[sweep.best], sweep.rates.f1[sweep.best], "o", color=INK, label="best F1, an oracle's"
        )
    axes.set(title="What the threshold costs", xlabel="threshold", ylim=(-0.02, 1.02), xlim=(0, sweep.edges[-1]))
    axes.legend(loc="best")


def _draw_distances(axes, sweep: Sweep, summary: Summary) -> None:
    for counts, of, colour, style in (
        (sweep.genuine, summary.rates.genuine, GREEN, "-"),
        (sweep.impostor, summary.rates.impostor, RED, "--"),
    ):
        if of:
            kind = f"{'genuine' if colour == GREEN else 'impostor'}: {counts.sum():,} of {of:,} pairs have a distance"
            axes.stairs(counts / of, sweep.edges, fill=True, color=colour, alpha=0.22)
            axes.stairs(counts / of, sweep.edges, color=colour, linestyle=style, label=kind)
    _mark(axes, summary.rates)
    axes.set(title="Distances", xlabel="distance", ylabel="share of pairs of the kind", xlim=(0, sweep.edges[-1]))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper right")


def _mark(axes, rates: Rates) -> None:
    label = f"stored threshold {rates.threshold:.4f}"
    axes.axvline(rates.threshold, color=GREY, linestyle=":", linewidth=1.5, label=label)


def _draw_roc(axes, sweep: Sweep, summary: Summary) -> None:
    low = 0.5 / summary.rates.impostor
    axes.plot(np.maximum(sweep.curve.fmr, low), sweep.curve.recall, color=BLUE)
    axes.plot(max(summary.rates.fmr, low), summary.rates.recall, "o", color=INK, label="stored threshold")
    axes.set_xscale("log")
    axes.set(title=f"ROC: AUC {summary.auc:.4f}", xlim=(low, 1), ylim=(0, 1.02))
    axes.set(xlabel="false match rate; 0 is drawn at the left edge", ylabel="genuine pairs matched (TAR)")
    axes.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")


def _draw_det(axes, sweep: Sweep, summary: Summary) -> None:
    span = det_range(max(summary.rates.genuine, summary.rates.impostor), summary.eer)
    axes.plot(to_deviate(sweep.curve.fmr, *span), to_deviate(sweep.curve.fnmr, *span), color=BLUE)
    here = to_deviate(summary.rates.fmr, *span), to_deviate(summary.rates.fnmr, *span)
    axes.plot(*here, "o", color=INK, label="stored threshold", clip_on=False, zorder=5)
    ends, ticks = to_deviate(np.array(span), *span), det_ticks(*span)
    axes.set(title=f"DET: EER {percent(summary.eer)}", xlim=ends, ylim=ends)
    axes.set(xlabel="false match rate, %; 0 is drawn at the edge", ylabel="false non-match rate, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(list(ticks), list(ticks.values()))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper right")


def _draw_reliability(axes, sweep: Sweep, summary: Summary) -> None:
    told = summary.reliability
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="as stated, so it is")
    sizes = 15 + 385 * told.pairs / told.pairs.max()
    axes.scatter(
        told.stated, told.observed, sizes, color=BLUE, alpha=0.75, linewidth=0, label="a tenth; larger: more pairs"
    )
    axes.set(title=f"Probability: Cllr {told.cllr:.3f} bits, ECE {told.expected_error:.2%}")
    axes.set(
        xlabel="probability stated", ylabel="share genuine, if half of all are", xlim=(-0.05, 1.05), ylim=(-0.05, 1.05)
    )
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
