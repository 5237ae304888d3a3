"""What one model gains over another on the same pairs, each at its own threshold."""

from dataclasses import dataclass

import numpy as np

from facesim.evaluation.calibrate.choice import equal_f1
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.metrics import Interval


@dataclass(frozen=True, slots=True)
class Gain:
    """How much higher F1 is, as if half of the pairs were genuine; and what is missing to say how sure that is."""

    f1: float
    interval: Interval | None  # 95 %, by identity; None where people or pairs are too few
    lacking: str

    @property
    def is_sure(self) -> bool:
        """Return whether the gain is beyond chance."""
        return self.interval is not None and self.interval[0] > 0


def gain(before: MeasuredPairs, after: MeasuredPairs, thresholds: tuple[float, float]) -> Gain:
    """Return what `after` gains over `before`: the same pairs' distances by two models.

    People are drawn with replacement for the interval, the same for both models.
    """
    kinds = (~before.same, before.same)
    wrong = [(pairs.distances < t) != pairs.same for pairs, t in zip((before, after), thresholds, strict=True)]

    def difference(times: np.ndarray) -> float:
        f1 = [equal_f1(*(float(times @ (errors & kind) / (times @ kind)) for kind in kinds)) for errors in wrong]
        return f1[1] - f1[0]

    measured, lacking = difference(np.ones(len(before.same))), before.lacking()
    if lacking:
        return Gain(measured, None, lacking)
    low, high = np.quantile([difference(times) for times in before.draws()], [0.025, 0.975]).tolist()
    return Gain(measured, (low, high), "")
