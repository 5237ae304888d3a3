"""Choose a threshold and a calibration on pairs, held to those that the model came with where pairs are few.

A rate is a share of pairs of its kind, and F1 is taken as if half of the pairs were genuine, as is the probability:
2 (1 − FNMR) / (2 − FNMR + FMR), whatever pairs there are of each kind.
"""

from dataclasses import dataclass

import numpy as np

from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.calibration import fit_calibration
from facesim.evaluation.metrics import Interval

PRIOR_PAIRS = 100  # genuine pairs that the slope which the model came with is worth
MAX_F1, EER = "max F1", "EER"
Criterion = str | float  # MAX_F1, EER, or the FMR to allow
_Z2 = 1.96**2
_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, what the pairs alone would say, and how sure they are."""

    threshold: float
    pairs_alone: float  # the mean of the thresholds that are best in draws of the people
    interval: Interval  # 95 % of these
    moved: float  # from 0, the threshold stayed where it was, to 1, the pairs alone decided


def equal_f1(fmr: float, fnmr: float) -> float:
    """Return F1 as if half of the pairs were genuine."""
    return 2 * (1 - fnmr) / (2 - fnmr + fmr)


def choose_threshold(pairs: MeasuredPairs, criterion: Criterion, before: float) -> Choice:
    """Choose a threshold by `criterion`; `before` is the one that the model came with.

    The best thresholds of 200 draws of the people are averaged. The result lies between `before` and this mean, the
    nearer to `before` the less sure the mean is; if `before` is within two standard deviations of it, it stays (the
    positive-part estimator of James and Stein 1961, with 1.96² for its constant). For a given FMR, the pairs alone
    decide: the threshold is the largest at which no more of the impostor pairs match.
    """
    curve = _Curve(pairs)
    drawn = np.array([curve.best(criterion, times) for times in pairs.draws(_DRAWS)])
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    if isinstance(criterion, float):
        threshold = curve.best(criterion)
        return Choice(threshold, threshold, (low, high), 1.0)
    mean, difference = float(drawn.mean()), float(drawn.mean()) - before
    moved = max(0.0, 1 - _Z2 * float(drawn.var()) / difference**2) if difference else 0.0
    return Choice(before + moved * difference, mean, (low, high), moved)


def choose_calibration(pairs: MeasuredPairs, threshold: float, before: Interval) -> tuple[Interval, float]:
    """Fit the calibration, a half at `threshold`; return it, and the weight of the pairs in it, 0 to 1.

    Its slope is the mean of the fitted one and that of `before`, weighted by the number of genuine pairs and by
    PRIOR_PAIRS.
    """
    genuine = pairs.counts()["genuine"] or 0
    weight = genuine / (genuine + PRIOR_PAIRS)
    slope = weight * fit_calibration(pairs.distances, pairs.same, threshold)[1] + (1 - weight) * before[1]
    return (-slope * threshold, slope), weight


def threshold_for_fmr(pairs: MeasuredPairs, fmr: float) -> float:
    """Return the largest threshold at which no more than `fmr` of the impostor pairs match, however few those are."""
    return _Curve(pairs).best(fmr)


class _Curve:
    """FMR and FNMR at every threshold, for pairs that count different times."""

    def __init__(self, pairs: MeasuredPairs):
        order = np.argsort(pairs.distances, kind="stable")
        order = order[: np.count_nonzero(~np.isnan(pairs.distances))]
        distances = pairs.distances[order].astype(float)
        above = np.append(distances[1:], distances[-1:] + 0.01)
        self._ends = np.flatnonzero(above > distances)  # of equal distances
        self._thresholds = (distances + above)[self._ends] / 2
        self._order, self._same = order, pairs.same

    def best(self, criterion: Criterion, times: np.ndarray | None = None) -> float:
        """Return the best threshold where each pair counts so many `times`, `(n,)`; by default once."""
        times = np.ones(len(self._same)) if times is None else times
        matches, false_matches = (
            np.cumsum((times * kind)[self._order])[self._ends] / (times @ kind) for kind in (self._same, ~self._same)
        )
        if isinstance(criterion, float):
            allowed = int(np.searchsorted(false_matches, criterion + 1e-9, "right"))
            return float(self._thresholds[allowed - 1]) if allowed else 0.0
        if criterion == EER:
            return float(self._thresholds[np.argmin(np.abs(false_matches - (1 - matches)))])
        return float(self._thresholds[np.argmax(equal_f1(false_matches, 1 - matches))])
