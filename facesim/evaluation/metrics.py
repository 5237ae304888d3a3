"""The threshold, the error rates it costs with their uncertainty, and the probability behind a distance.

Throughout, `distances` is `(n,) float`, `same` is `(n,) bool`, and a pair is called the same iff distance < threshold.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from facesim.errors import FaceSimError


@dataclass(frozen=True, slots=True)
class Rates:
    """What a threshold costs on a set of pairs."""

    threshold: float
    genuine: int
    impostor: int
    false_matches: int
    false_non_matches: int

    @property
    def f1(self) -> float:
        true_matches = self.genuine - self.false_non_matches
        total = 2 * true_matches + self.false_matches + self.false_non_matches
        return 2 * true_matches / total if total else float("nan")

    @property
    def accuracy(self) -> float:
        return 1 - (self.false_matches + self.false_non_matches) / (self.genuine + self.impostor)

    @property
    def fmr(self) -> float:
        """Return the false match rate: the share of impostor pairs called the same."""
        return self.false_matches / self.impostor if self.impostor else float("nan")

    @property
    def fnmr(self) -> float:
        """Return the false non-match rate: the share of genuine pairs called different."""
        return self.false_non_matches / self.genuine if self.genuine else float("nan")


def failures_as_errors(distances: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Give pairs without a distance (NaN: no face was found) one that is wrong at every threshold."""
    return np.where(np.isnan(distances), np.where(same, np.inf, -np.inf), distances)


def rates(distances: np.ndarray, same: np.ndarray, threshold: float) -> Rates:
    """Count the errors at a threshold; pairs without a distance (NaN) are errors."""
    called_same = failures_as_errors(distances, same) < threshold
    errors = called_same != same
    genuine = int(same.sum())
    return Rates(
        float(threshold), genuine, len(same) - genuine, int((errors & ~same).sum()), int((errors & same).sum())
    )


def best_f1_threshold(distances: np.ndarray, same: np.ndarray) -> float:
    """Return the threshold that maximises F1, found exactly: the middle of the gap between the two distances around it.

    Of equally good gaps the widest is taken. Pairs without a distance (NaN) are errors at every threshold. Raises
    FaceSimError where no genuine pair has a distance.
    """
    distances = failures_as_errors(distances, same)
    if not np.isfinite(distances[same]).any():
        raise FaceSimError("no genuine pair has a face in both photos: no threshold can be chosen.")
    order = np.argsort(distances, kind="stable")
    edges, starts = np.unique(distances[order], return_index=True)
    matches_below = np.concatenate([[0], np.cumsum(same[order])])[np.append(starts[1:], len(order))]
    called_below = np.append(starts[1:], len(order))
    f1 = 2 * matches_below / (called_below + same.sum())
    found = np.isfinite(edges)  # no threshold lies beyond a failure
    edges, f1 = edges[found], f1[found]
    gaps = np.append(np.diff(edges), 0)
    gap = max(np.flatnonzero(f1 == f1.max()), key=gaps.__getitem__)
    return float(edges[gap] + gaps[gap] / 2 if gaps[gap] else np.nextafter(edges[gap], np.inf))


def auc(distances: np.ndarray, same: np.ndarray) -> float:
    """Return the chance that a genuine pair is nearer than an impostor pair; pairs without a distance (NaN) err."""
    return float(roc_auc_score(same, np.clip(-failures_as_errors(distances, same), -1e9, 1e9)))


def fmr_threshold(impostor_distances: np.ndarray, fmr: float) -> float | None:
    """Return the largest threshold at which at most `fmr` of the impostor pairs match; None with under ten such."""
    allowed = int(fmr * len(impostor_distances))
    if allowed < 10:
        return None
    return float(np.sort(impostor_distances)[allowed])


def fit_calibration(distances: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """Fit P(same) = 1 / (1 + exp(−(intercept + slope · distance))), as if half the pairs were genuine.

    Logistic regression from score to log odds (Morrison 2013), each class weighing a half. Pairs without a distance
    are left out.
    """
    found = ~np.isnan(distances)
    scale = distances[found].std() or 1.0
    model = LogisticRegression(C=100.0, class_weight="balanced")
    model.fit(distances[found, None] / scale, same[found])
    return float(model.intercept_[0]), float(model.coef_[0, 0] / scale)


def wilson_interval(errors: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval for a rate of `errors` in `count` (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z = norm.ppf(0.5 + confidence / 2)
    centre = (errors + z**2 / 2) / (count + z**2)
    reach = z / (count + z**2) * np.sqrt(errors * (count - errors) / count + z**2 / 4)
    return max(0.0, float(centre - reach)), min(1.0, float(centre + reach))


def f1_interval(counts: Rates, confidence: float = 0.95, draws: int = 10_000) -> tuple[float, float]:
    """Return the bootstrap interval of F1: as many genuine and impostor pairs, drawn again with replacement."""
    random = np.random.default_rng(0)
    missed = random.binomial(counts.genuine, counts.fnmr, draws)
    matched = random.binomial(counts.impostor, counts.fmr, draws)
    hits = counts.genuine - missed
    low, high = np.quantile(2 * hits / (2 * hits + missed + matched), [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)
