"""Check a choice on people who did not make it: one half chooses for the other, or each fold's others for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from facesim.evaluation.calibrate.choice import equal_f1
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.metrics import Interval
from facesim.evaluation.uncertainty import rate_intervals

FOLDS = 5  # where people are too few for halves


@dataclass(frozen=True, slots=True)
class CheckedRates:
    """The errors on people who did not choose the threshold, with 95 % intervals by identity."""

    fmr: float
    fmr_interval: Interval
    fnmr: float
    fnmr_interval: Interval
    f1: float  # as if half of the pairs were genuine
    f1_interval: Interval
    genuine: int  # pairs
    impostor: int


@dataclass(frozen=True, slots=True)
class Division:
    """Pairs dealt out to those that choose and those that check."""

    choosing: MeasuredPairs  # on which the model file's figures are chosen
    checking: MeasuredPairs
    halves: bool  # else everybody chooses, and everybody is checked at the threshold of others
    _folds: tuple[tuple[np.ndarray, np.ndarray], ...]  # (n,) bool: who chooses for whom

    def thresholds(self, choose: Callable[[MeasuredPairs], float]) -> np.ndarray:
        """Return for each checking pair the threshold that people who are not in it choose, `(n,)`."""
        if self.halves:
            return np.full(len(self.checking.same), choose(self.choosing))
        thresholds = np.empty(len(self.checking.same))
        for others, here in self._folds:
            thresholds[here] = choose(self.choosing.at(others))
        return thresholds


def divide(pairs: MeasuredPairs, seed: int) -> Division:
    """Halve the people, if either half is enough to choose a threshold; else deal them out to five folds."""
    parts = pairs.deal_out(2, seed)
    first, second = (pairs.at((parts == half).all(axis=1)) for half in (0, 1))
    if not first.lacking() and not second.lacking():
        return Division(first, second, True, ())
    parts = np.sort(pairs.deal_out(FOLDS, seed), axis=1)
    return Division(pairs, pairs, False, tuple(_folds(parts)))


def _folds(parts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each two folds that pairs lie in, the pairs of nobody in them, and the pairs in just these two."""
    for one, other in np.unique(parts, axis=0).tolist():
        yield np.isin(parts, (one, other)).sum(axis=1) == 0, (parts[:, 0] == one) & (parts[:, 1] == other)


def check(pairs: MeasuredPairs, thresholds: np.ndarray) -> CheckedRates:
    """Measure the errors where each pair has a threshold of its own, `(n,)`."""
    wrong = (pairs.distances < thresholds) != pairs.same  # NaN, no face, is a non-match
    rates, intervals = [], []
    for kind in (~pairs.same, pairs.same):
        rates.append(float(wrong[kind].mean()))
        intervals += rate_intervals(wrong[kind, None], None if pairs.people is None else pairs.people[kind])
    fmr, fnmr = rates
    drawn = [
        equal_f1(*(float(times @ (wrong & kind) / (times @ kind)) for kind in (~pairs.same, pairs.same)))
        for times in pairs.draws()
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    genuine = int(pairs.same.sum())
    return CheckedRates(
        fmr, intervals[0], fnmr, intervals[1], equal_f1(fmr, fnmr), (low, high), genuine, len(pairs.same) - genuine
    )
