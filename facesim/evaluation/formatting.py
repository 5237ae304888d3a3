"""How figures are said, the same in every report."""

import numpy as np


def percent(rate: float) -> str:
    """Say a rate, never 0 % or 100 % of what is neither, and – of what is undefined; sweep.js says it alike."""
    if np.isnan(rate):
        return "–"
    hundredths = np.floor(rate * 10_000 + 0.5)
    if hundredths == 0 < rate:
        return "< 0.01 %"
    if hundredths == 10_000 and rate < 1:
        return "> 99.99 %"
    return f"{hundredths / 100:.2f} %"


def rate_text(rate: float) -> str:
    """Say a rate that may be very small, in percent: two significant digits, from 10 % on one decimal."""
    if rate >= 0.0995:
        return f"{100 * rate:.1f} %"
    return f"{np.format_float_positional(100 * rate, 2, fractional=False, trim='-')} %"


def number(value: float) -> str:
    """Say an F1, an AUC or a threshold; – where it is undefined."""
    return "–" if np.isnan(value) else f"{np.floor(value * 10_000 + 0.5) / 10_000:.4f}"
