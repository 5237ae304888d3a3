"""The axes of a DET: normal deviates, on which the curve of two normal distributions is a straight line.

As in Martin et al. (The DET curve in assessment of detection task performance, 1997), and in NIST's reports since.
"""

import numpy as np
from scipy.special import ndtri

from facesim.evaluation.metrics import Number, Rates
from facesim.evaluation.summary import Summary

_TICKS = (1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
_USUAL_END, _USUAL_EER = 0.6, 0.3  # below this EER, the curve lies in the corner that ends at 60 %


def det_span(summary: Summary) -> tuple[float, float]:
    """Return the smallest and the largest rate that the axes show for these pairs."""
    return det_range(max(summary.rates.genuine, summary.rates.impostor), summary.eer)


def det_range(pairs: int, eer: float) -> tuple[float, float]:
    """Return the smallest and the largest rate that the axes show: half an error in `pairs`, and 60 % or 99.5 %."""
    return min(0.5 / max(pairs, 1), 0.05), _USUAL_END if eer < _USUAL_EER else 0.995


def on_det(rates: Rates[Number], span: tuple[float, float]) -> tuple[Number, Number]:
    """Return where rates lie on the axes of FMR and FNMR."""
    return to_deviate(rates.fmr, *span), to_deviate(rates.fnmr, *span)


def to_deviate(rates: Number, low: float, high: float) -> Number:
    """Return where rates lie on an axis; those below `low`, as 0, or above `high` are put on its edge."""
    return ndtri(np.clip(rates, low, high))


def det_ticks(low: float, high: float) -> dict[float, str]:
    """Return where the axis has its labels, in percent."""
    return {float(ndtri(rate)): f"{100 * rate:g}" for rate in _TICKS if low <= rate <= high}
