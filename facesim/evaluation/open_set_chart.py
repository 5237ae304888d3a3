"""Draw FNIR over FPIR, on logarithmic axes, as NIST's reports on identification do."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from facesim.evaluation.identification import Identification
from facesim.evaluation.metrics import TOO_FEW
from facesim.evaluation.sweep_charts import BLUE, ORANGE
from facesim.evaluation.wording import number, percent
from facesim.figures import as_image, shortened, without_mathematics
from facesim.picture import INK

_SIGNS = (("o", INK), ("s", ORANGE), ("^", "#7a3b9e"), ("D", "#00735c"))  # of the first thresholds; no more are marked
_GREY = "#6b7076"
_LETTERS = 80  # of a name


def draw_identification(found: Identification) -> Image.Image:
    """Return a picture of the curve: the stored thresholds marked, and shaded where it rests on under ten errors."""
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
    shade = {"color": "#8c8c8c", "alpha": 0.15, "linewidth": 0}
    few_positives, few_misses = TOO_FEW / found.non_mated, TOO_FEW / found.mated
    axes.axvspan(left, few_positives, **shade, label=f"fewer than {TOO_FEW} errors: much of it is chance")
    axes.fill_between([few_positives, 1], bottom, few_misses, **shade)
    axes.plot(np.maximum(rates.curve.fpir, left), np.maximum(rates.curve.fnir, bottom), color=BLUE, linewidth=2)
    label = f"missed at any threshold (1 − rank-1): {percent(never)}"
    axes.axhline(max(never, bottom), color=_GREY, linestyle=":", linewidth=1.5, label=label)
    for at, (shape, colour) in zip(rates.points, _SIGNS, strict=False):
        label = (
            f"{number(at.threshold)} ({shortened(at.name, _LETTERS)}): FPIR {percent(at.fpir)}, FNIR {percent(at.fnir)}"
        )
        place = max(at.fpir, left), max(at.fnir, bottom)
        axes.plot(*place, shape, color=colour, markersize=9, clip_on=False, zorder=5, label=label)
    axes.set_xlabel("FPIR: share of non-mated probes taken for somebody enrolled; 0 is drawn at the edge")
    axes.set_ylabel("FNIR: share of mated probes whose person is missed")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    title = f"{shortened(found.trial, _LETTERS)}\n{shortened(Path(found.model).name, _LETTERS)}"
    figure.suptitle(title, fontsize=9, color=_GREY, parse_math=False)
    counts = f"{found.enrolled:,} enrolled, {found.mated:,} mated and {found.non_mated:,} non-mated probes"
    axes.set_title(f"Finding people among many: {counts}", fontsize=11)
    without_mathematics(figure.legend(loc="outside lower left", frameon=False, fontsize=9))
    return as_image(figure)
