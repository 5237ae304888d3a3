"""The axes of a DET: normal deviates, on which two overlapping normal distributions draw a straight line.

As Martin et al. drew it first (The DET curve in assessment of detection task performance, 1997), and NIST since.
"""

import numpy as np
from scipy.stats import norm

_TICKS = (1e-6, 1e-5, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
_USUAL_END, _USUAL_EER = 0.6, 0.3  # a better model's curve lies in the corner that ends at 60 %


def det_range(pairs: int, eer: float) -> tuple[float, float]:
    """Return the smallest and the largest rate that the axes show: half an error in `pairs`, and 60 % or 99.5 %."""
    return min(0.5 / max(pairs, 1), 0.05), _USUAL_END if eer < _USUAL_EER else 0.995


def to_deviate(rates: np.ndarray, low: float, high: float) -> np.ndarray:
    """Place rates on the axis; what lies outside of low and high, as 0 does, is put on its edge."""
    return norm.ppf(np.clip(rates, low, high))


def det_ticks(low: float, high: float) -> dict[float, str]:
    """Return where the axis is labelled, and how, in percent."""
    return {float(norm.ppf(rate)): f"{100 * rate:g}" for rate in _TICKS if low <= rate <= high}
