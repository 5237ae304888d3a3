"""What a threshold costs, exactly: counts, rates, the best threshold, AUC, EER and TAR at a given FMR.

Throughout, `distances` is `(n,) float`, `same` is `(n,) bool`, and a pair is called the same iff distance < threshold.
A pair without a distance (NaN: no face was found in one of its photos) is called the same at no threshold, as
ISO/IEC 19795-1 counts a failure to acquire; `failures_as_errors` makes each an error instead, of either kind. Rates of
nothing are NaN.
"""

import bisect
from dataclasses import dataclass

import numpy as np

from facesim.errors import FaceSimError

TOO_FEW = 10  # false matches that a threshold for a given FMR must rest on
_CHUNK = 1024  # queries that are searched for in one go


@dataclass(frozen=True, slots=True)
class Rates:
    """What a threshold costs on a set of pairs; or what each of several does, where fields are `(t,)` arrays."""

    threshold: float
    genuine: int
    impostor: int
    false_matches: int
    false_non_matches: int

    @property
    def true_matches(self) -> int:
        return self.genuine - self.false_non_matches

    @property
    def true_non_matches(self) -> int:
        return self.impostor - self.false_matches

    @property
    def precision(self) -> float:
        return _share(self.true_matches, self.true_matches + self.false_matches)

    @property
    def recall(self) -> float:
        return _share(self.true_matches, self.genuine)

    @property
    def f1(self) -> float:
        return _share(2 * self.true_matches, 2 * self.true_matches + self.false_matches + self.false_non_matches)

    @property
    def accuracy(self) -> float:
        return _share(self.true_matches + self.true_non_matches, self.genuine + self.impostor)

    @property
    def fmr(self) -> float:
        """Return the false match rate: the share of impostor pairs called the same."""
        return _share(self.false_matches, self.impostor)

    @property
    def fnmr(self) -> float:
        """Return the false non-match rate: the share of genuine pairs called different."""
        return _share(self.false_non_matches, self.genuine)


def _share(part, whole):
    with np.errstate(invalid="ignore"):
        return np.true_divide(part, whole)


@dataclass(frozen=True, slots=True)
class Tar:
    """The share of genuine pairs called the same, where at most `fmr` of the impostor pairs are."""

    fmr: float
    threshold: float
    true_matches: int
    genuine: int

    @property
    def tar(self) -> float:
        return _share(self.true_matches, self.genuine)


@dataclass(frozen=True, slots=True)
class SortedDistances:
    """The distances of genuine and of impostor pairs, and how many of each kind lie within each genuine one.

    No threshold but one just above a genuine distance maximises F1, and those are all the corners that AUC needs.
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
        steps = genuine[: np.searchsorted(genuine, np.inf)]
        matches = np.append(np.flatnonzero(steps[1:] != steps[:-1]) + 1, len(steps))[: len(steps)]
        if len(matches) < len(steps):
            steps = steps[matches - 1]
        under = _count_below(impostor, steps)
        return cls(genuine, impostor, steps, matches, under, under + _count_equal(impostor, steps, under))

    def rates(self, threshold: float | np.ndarray) -> Rates:
        """Count the errors at a threshold, or at each of several, `(t,)`."""
        matches, false_matches = (np.searchsorted(kind, threshold) for kind in (self.genuine, self.impostor))
        if np.ndim(threshold) == 0:
            threshold, matches, false_matches = float(threshold), int(matches), int(false_matches)
        genuine, impostor = len(self.genuine), len(self.impostor)
        return Rates(threshold, genuine, impostor, false_matches, genuine - matches)

    def auc(self) -> float:
        """Return the chance that a genuine pair is nearer than an impostor pair, equal distances counting a half."""
        genuine, impostor = len(self.genuine), len(self.impostor)
        if not genuine or not impostor:
            return float("nan")
        found = int(self.matches[-1]) if len(self.matches) else 0
        wrong = int(np.diff(self.matches, prepend=0) @ (self.impostors_under + self.false_matches))  # twice over
        beyond = int(np.searchsorted(self.impostor, np.inf))  # impostor pairs nearer than a genuine one without a face
        wrong += (genuine - found) * (beyond + impostor)
        return 1 - wrong / (2 * genuine * impostor)

    def best_f1_threshold(self) -> float:
        """Return the threshold that maximises F1, the middle of the gap between the two distances around it.

        Of equally good gaps the widest is taken. Raises FaceSimError where no genuine pair has a distance.
        """
        if not len(self.steps):
            raise FaceSimError("no genuine pair has a face in both photos: no threshold can be chosen.")
        return self._best(self.matches / (self.matches + self.false_matches + len(self.genuine)))

    def best_accuracy_threshold(self) -> float:
        """Return the threshold that maximises accuracy, as `best_f1_threshold`; 0 where calling none the same does."""
        gained = self.matches - self.false_matches
        lost_anyway = int(np.searchsorted(self.impostor, -np.inf, "right"))
        return self._best(gained) if len(gained) and gained.max() > -lost_anyway else 0.0

    def _best(self, measure: np.ndarray) -> float:
        """Return the middle of the gap above a step, the widest of several, in which `measure`, `(m,)`, is largest."""
        best = np.flatnonzero(measure == measure.max())
        above = np.fmin(_at(self.genuine, self.matches[best]), _at(self.impostor, self.false_matches[best]))
        width = np.where(np.isfinite(above), above - self.steps[best], 0)
        widest = np.argmax(width)
        below = float(self.steps[best][widest])
        return below + float(width[widest]) / 2 if width[widest] else float(np.nextafter(below, np.inf))

    def eer(self) -> float:
        """Return the rate at which FMR and FNMR are equal, linearly between the ROC's corners.

        NaN where a kind is missing, or where so many pairs have no distance that they never are.
        """
        genuine, impostor, steps = len(self.genuine), len(self.impostor), len(self.steps)
        if not impostor or not steps:
            return float("nan")

        def surplus(step: int) -> float:
            return self.false_matches[step] / impostor - (1 - self.matches[step] / genuine)

        after = bisect.bisect_left(range(steps), 0, key=surplus)  # the first step at which FMR has caught up
        before = 1 - self.matches[after - 1] / genuine if after else 1.0
        under = self.impostors_under[after] if after < steps else np.searchsorted(self.impostor, np.inf)
        if under / impostor >= before:  # it did so among impostor pairs alone, before the step's own genuine pairs
            return float(before)
        if after == steps:
            return float("nan")
        fall, rise = before - (1 - self.matches[after] / genuine), (self.false_matches[after] - under) / impostor
        return float(before - fall * (before - under / impostor) / (fall + rise))

    def threshold_for_fmr(self, fmr: float, least: int = TOO_FEW) -> float | None:
        """Return the largest threshold at which at most `fmr` of the impostor pairs match; None with under ten such.

        Or with under `least`.
        """
        allowed = int(fmr * len(self.impostor) + 1e-9)
        if allowed < least:
            return None
        threshold = self.impostor[allowed] if allowed < len(self.impostor) else np.inf
        return float(np.nan_to_num(threshold, nan=np.inf, posinf=np.inf))

    def tar(self, fmr: float, least: int = TOO_FEW) -> Tar | None:
        """Return the share of genuine pairs that match where at most `fmr` of the impostor pairs do.

        None where there are too few impostor pairs to say.
        """
        threshold = self.threshold_for_fmr(fmr, least)
        if threshold is None:
            return None
        return Tar(fmr, threshold, int(np.searchsorted(self.genuine, threshold)), len(self.genuine))


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the values at `places`, infinity past the end."""
    if not len(values):
        return np.full(len(places), np.inf)
    return np.where(places < len(values), values[np.minimum(places, len(values) - 1)], np.inf)


def _count_below(values: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return how many of the ascending `values` lie below each of the ascending `queries`: `(m,) int`.

    Chunk by chunk, each within its own few values: that takes half the time.
    """
    counts = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _CHUNK):
        chunk = queries[start : start + _CHUNK]
        low, high = values.searchsorted(chunk[[0, -1]])
        counts[start : start + _CHUNK] = values[low:high].searchsorted(chunk)
        counts[start : start + _CHUNK] += low
    return counts


def _count_equal(values: np.ndarray, queries: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return how many of the ascending `values` equal each query, given how many lie below it."""
    equal = np.zeros(len(queries), np.int64)
    if len(values):
        tied = np.flatnonzero(values[np.minimum(below, len(values) - 1)] == queries)
        equal[tied] = np.searchsorted(values, queries[tied], "right") - below[tied]
    return equal


def failures_as_errors(distances: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Give pairs without a distance (NaN: no face was found) one that is wrong at every threshold."""
    return np.where(np.isnan(distances), np.where(same, np.inf, -np.inf), distances)
