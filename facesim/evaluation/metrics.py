"""What a threshold costs, exactly: counts, rates, the best threshold, AUC, EER, and TAR at a given FMR.

Throughout, `distances` is `(n,) float`, `same` is `(n,) bool`, and a pair is called the same iff distance < threshold.
A pair without a distance (NaN: no face was found in one of its photos) is a non-match at every threshold, as
ISO/IEC 19795-1 counts a failure to acquire; `failures_as_errors` makes each such pair an error instead. A rate without
any pairs is NaN.
"""

import bisect
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from facesim.errors import FaceSimError
from facesim.model_info import MIN_FALSE_MATCHES

Interval = tuple[float, float]  # low and high
Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True, slots=True)
class Rates(Generic[Number]):
    """The errors at one threshold, `Rates[float]`, or at each of several, `Rates[np.ndarray]` with arrays `(t,)`."""

    threshold: Number
    genuine: int  # pairs
    impostor: int
    false_matches: Number
    false_non_matches: Number

    @property
    def true_matches(self) -> Number:
        return self.genuine - self.false_non_matches

    @property
    def true_non_matches(self) -> Number:
        return self.impostor - self.false_matches

    @property
    def precision(self) -> Number:
        return _share(self.true_matches, self.true_matches + self.false_matches)

    @property
    def recall(self) -> Number:
        return _share(self.true_matches, self.genuine)

    @property
    def f1(self) -> Number:
        return _share(2 * self.true_matches, 2 * self.true_matches + self.false_matches + self.false_non_matches)

    @property
    def accuracy(self) -> Number:
        return _share(self.true_matches + self.true_non_matches, self.genuine + self.impostor)

    @property
    def fmr(self) -> Number:
        """Return the false match rate: the share of impostor pairs called the same."""
        return _share(self.false_matches, self.impostor)

    @property
    def fnmr(self) -> Number:
        """Return the false non-match rate: the share of genuine pairs called different."""
        return _share(self.false_non_matches, self.genuine)


def _share(part: Number, whole: Number | int) -> Number:
    with np.errstate(invalid="ignore"):
        return np.true_divide(part, whole)


@dataclass(frozen=True, slots=True)
class Tar:
    """The share of genuine pairs that match where at most `fmr` of the impostor pairs do."""

    fmr: float
    threshold: float
    true_matches: int
    genuine: int

    @property
    def tar(self) -> float:
        return _share(self.true_matches, self.genuine)


@dataclass(frozen=True, slots=True)
class SortedDistances:
    """The distances of genuine and of impostor pairs, and how many of each kind lie below each genuine distance.

    F1 and accuracy are highest just above a genuine distance, and AUC needs no other corners of the ROC.
    """

    genuine: np.ndarray  # (g,) ascending, NaN last
    impostor: np.ndarray  # (i,) ascending, NaN last
    steps: np.ndarray  # (m,) the distinct finite genuine distances, ascending
    matches: np.ndarray  # (m,) int, genuine pairs at or under each step
    impostors_under: np.ndarray  # (m,) int, impostor pairs under it
    false_matches: np.ndarray  # (m,) int, impostor pairs at or under it

    @classmethod
    def of(cls, distances: np.ndarray, same: np.ndarray) -> "SortedDistances":
        """Sort the pairs of each kind; raises FaceSimError where the arrays are not of one length."""
        distances, same = np.asarray(distances, float), np.asarray(same, bool)
        if distances.shape != same.shape or distances.ndim != 1:
            raise FaceSimError(f"distances {distances.shape} and same {same.shape} must be of one length.")
        genuine, impostor = distances[same], distances[~same]
        genuine.sort()
        impostor.sort()
        found = genuine[: np.searchsorted(genuine, np.inf)]
        last = np.append(found[1:] != found[:-1], True)[: len(found)]  # of equal distances
        under, up_to = (np.searchsorted(impostor, found[last], side) for side in ("left", "right"))
        return cls(genuine, impostor, found[last], np.flatnonzero(last) + 1, under, up_to)

    def rates(self, threshold: float) -> Rates[float]:
        """Count the errors at a threshold."""
        matches, false_matches = (int(np.searchsorted(kind, threshold)) for kind in (self.genuine, self.impostor))
        genuine, impostor = len(self.genuine), len(self.impostor)
        return Rates(float(threshold), genuine, impostor, false_matches, genuine - matches)

    def curve(self, thresholds: np.ndarray) -> Rates[np.ndarray]:
        """Count the errors at each of `thresholds`, `(t,)`."""
        matches, false_matches = (np.searchsorted(kind, thresholds) for kind in (self.genuine, self.impostor))
        genuine, impostor = len(self.genuine), len(self.impostor)
        return Rates(thresholds, genuine, impostor, false_matches, genuine - matches)

    def auc(self) -> float:
        """Return the probability that a genuine pair is nearer than an impostor pair, ties counting as a half."""
        genuine, impostor = len(self.genuine), len(self.impostor)
        if not genuine or not impostor:
            return float("nan")
        found = int(self.matches[-1]) if len(self.matches) else 0
        wrong = int(np.diff(self.matches, prepend=0) @ (self.impostors_under + self.false_matches))  # twice over
        nearer = int(np.searchsorted(self.impostor, np.inf))  # impostor pairs nearer than a genuine one without a face
        wrong += (genuine - found) * (nearer + impostor)
        return 1 - wrong / (2 * genuine * impostor)

    def best_f1_threshold(self) -> float:
        """Return the threshold that maximises F1: the middle of the gap between two distances.

        Of equally good gaps, the widest is taken. Raises FaceSimError where no genuine pair has a distance.
        """
        if not len(self.steps):
            raise FaceSimError("no genuine pair has a face in both photos: no threshold can be chosen.")
        return self._best(self.matches / (self.matches + self.false_matches + len(self.genuine)))

    def best_accuracy_threshold(self) -> float:
        """Return the threshold that maximises accuracy, as above; 0 where calling no pair the same does."""
        gained = self.matches - self.false_matches
        always_matched = int(np.searchsorted(self.impostor, -np.inf, "right"))
        return self._best(gained) if len(gained) and gained.max() > -always_matched else 0.0

    def _best(self, measure: np.ndarray) -> float:
        """Return the middle of the gap above the step where `measure`, `(m,)`, is largest; the widest of several."""
        best = np.flatnonzero(measure == measure.max())
        above = np.fmin(_at(self.genuine, self.matches[best]), _at(self.impostor, self.false_matches[best]))
        width = np.where(np.isfinite(above), above - self.steps[best], 0)
        widest = np.argmax(width)
        below = float(self.steps[best][widest])
        return below + float(width[widest]) / 2 if width[widest] else float(np.nextafter(below, np.inf))

    def eer(self) -> float:
        """Return the rate at which FMR and FNMR are equal, interpolated between the corners of the ROC.

        NaN where there are no genuine or no impostor pairs, or where too few pairs have a distance for FMR and FNMR to
        meet.
        """
        genuine, impostor, steps = len(self.genuine), len(self.impostor), len(self.steps)
        if not impostor or not steps:
            return float("nan")

        def surplus(step: int) -> float:
            return self.false_matches[step] / impostor - (1 - self.matches[step] / genuine)

        after = bisect.bisect_left(range(steps), 0.0, key=surplus)  # the first step at which FMR has caught up
        before = 1 - self.matches[after - 1] / genuine if after else 1.0
        under = self.impostors_under[after] if after < steps else np.searchsorted(self.impostor, np.inf)
        if under / impostor >= before:  # it did so among impostor pairs alone, before this step's genuine pairs
            return float(before)
        if after == steps:
            return float("nan")
        fall, rise = before - (1 - self.matches[after] / genuine), (self.false_matches[after] - under) / impostor
        return float(before - fall * (before - under / impostor) / (fall + rise))

    def largest_threshold(self, fmr: float) -> float:
        """Return the largest threshold at which at most `fmr` of the impostor pairs match, however few those are."""
        allowed = int(fmr * len(self.impostor) + 1e-9)
        threshold = self.impostor[allowed] if allowed < len(self.impostor) else np.inf
        return float(np.nan_to_num(threshold, nan=np.inf, posinf=np.inf))

    def threshold_for_fmr(self, fmr: float) -> float | None:
        """Return the largest threshold for an FMR; None where it would allow fewer than ten false matches."""
        enough = int(fmr * len(self.impostor) + 1e-9) >= MIN_FALSE_MATCHES
        return self.largest_threshold(fmr) if enough else None

    def tar(self, fmr: float) -> Tar | None:
        """Return the share of genuine pairs that match at `threshold_for_fmr`; None where that is None."""
        threshold = self.threshold_for_fmr(fmr)
        if threshold is None:
            return None
        return Tar(fmr, threshold, int(np.searchsorted(self.genuine, threshold)), len(self.genuine))


def pairs_needed(rate: float) -> int:
    """Return how many impostor pairs, or non-mated probes, an FMR or FPIR of `rate` needs to rest on ten errors."""
    return round(MIN_FALSE_MATCHES / rate)


def _at(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return `values[indices]`, infinity past the end."""
    return np.append(values, np.inf)[np.minimum(indices, len(values))]


def failures_as_errors(distances: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Give pairs without a distance (NaN: no face was found) a distance that is wrong at every threshold."""
    return np.where(np.isnan(distances), np.where(same, np.inf, -np.inf), distances)
