"""How figures are written in every report: as text, and as JSON."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from facesim.evaluation.metrics import Interval, Rates, Tar

_DERIVED = {Rates: ("precision", "recall", "f1", "accuracy", "fmr", "fnmr"), Tar: ("tar",)}  # stated in JSON, too
_KEYS = {"protocol": "trial"}  # JSON keys that differ from the field's name


def percent(rate: float) -> str:
    """Write a rate: never 0 % or 100 % for what is neither, and – where it is undefined. sweep.js does the same."""
    if np.isnan(rate):
        return "–"
    hundredths = np.floor(rate * 10_000 + 0.5)
    if hundredths == 0 < rate:
        return "< 0.01 %"
    if hundredths == 10_000 and rate < 1:
        return "> 99.99 %"
    return f"{hundredths / 100:.2f} %"


def rate_text(rate: float) -> str:
    """Write a rate that may be very small, in percent: with two significant digits, or from 10 % up one decimal."""
    if rate >= 0.0995:
        return f"{100 * rate:.1f} %"
    return f"{np.format_float_positional(100 * rate, 2, fractional=False, trim='-')} %"


def number(value: float) -> str:
    """Write an F1, an AUC or a threshold; – where it is undefined."""
    return "–" if np.isnan(value) else f"{np.floor(value * 10_000 + 0.5) / 10_000:.4f}"


def with_interval(value: float, interval: Interval, write: Callable[[float], str]) -> str:
    """Write a value and, unless it is undefined or of no width, its interval: "2.25 % (2.06 to 2.45)"."""
    low, high = interval
    if np.isnan(value) or np.isnan(low) or low == high:
        return write(value)
    return f"{write(value)} ({write(low).removesuffix(' %')} to {write(high).removesuffix(' %')})"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's rows as lines, with their columns under each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_dict(result: Any) -> Any:
    """Return a result for JSON: its fields, and the rates that follow from counts of errors. NaN becomes None."""
    if dataclasses.is_dataclass(result):
        names = [field.name for field in dataclasses.fields(result)]
        names += _DERIVED.get(type(result), ())
        return {_KEYS.get(name, name): as_dict(getattr(result, name)) for name in names}
    if isinstance(result, dict):
        return {str(key): as_dict(value) for key, value in result.items()}
    if isinstance(result, (list, tuple, np.ndarray)):
        return [as_dict(value) for value in result]
    if isinstance(result, np.generic):
        result = result.item()
    return None if isinstance(result, float) and not np.isfinite(result) else result
