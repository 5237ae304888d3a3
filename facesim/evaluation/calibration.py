"""The probability behind a distance: fitted, and judged.

Throughout, `distances` is `(n,) float`, `same` is `(n,) bool`, and the calibration's (intercept, slope) give
P(same) = 1 / (1 + exp(−(intercept + slope · distance))), as if half of all pairs were genuine: each kind weighs a half.
Pairs without a distance (NaN) are left out, for no probability is stated for them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well stated probabilities hold: in bins of a tenth, what was stated and how often it was so."""

    cllr: float  # bits a pair; 0 knows all, 1 knows nothing (Brümmer and du Preez 2006)
    expected_error: float  # ECE: |stated − observed|, the mean over the pairs
    stated: np.ndarray  # (10,) mean probability in each bin; NaN where it is empty
    observed: np.ndarray  # (10,) share of genuine pairs in it, if half of all pairs are genuine; NaN if empty
    pairs: np.ndarray  # (10,) int


def fit_calibration(distances: np.ndarray, same: np.ndarray, threshold: float) -> tuple[float, float]:
    """Fit the slope by logistic regression from score to log odds (Morrison 2013); return intercept and slope.

    At the threshold the probability is a half, so that verdict and probability never contradict each other. The slope
    never rises: of distances that know less than nothing the best that can be said is a half.
    """
    found = ~np.isnan(distances)
    scale = distances[found].std() or 1.0
    model = LogisticRegression(C=100.0, class_weight="balanced", fit_intercept=False)
    model.fit((distances[found, None] - threshold) / scale, same[found])
    slope = min(0.0, float(model.coef_[0, 0] / scale))
    return -slope * threshold, slope


def judge_calibration(distances: np.ndarray, same: np.ndarray, calibration: tuple[float, float]) -> Reliability:
    """Judge a calibration on pairs that it was not fitted on; Cllr and ECE are NaN where a kind of pairs is missing."""
    found = ~np.isnan(distances)
    same = np.asarray(same, bool)[found]
    log_odds = calibration[0] + calibration[1] * distances[found]
    genuine, impostor = int(same.sum()), int((~same).sum())
    if not genuine or not impostor:
        nothing = np.full(BINS, np.nan)
        return Reliability(float("nan"), float("nan"), nothing, nothing, np.zeros(BINS, int))
    weights = np.where(same, 0.5 / genuine, 0.5 / impostor)
    cllr = float(weights @ np.logaddexp(0, np.where(same, -log_odds, log_odds)) / np.log(2))
    probability = expit(log_odds)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    total, stated, observed = (
        np.bincount(bins, values, BINS) for values in (weights, weights * probability, weights * same)
    )
    with np.errstate(invalid="ignore"):
        expected_error = float(np.abs(stated - observed).sum())
        return Reliability(cllr, expected_error, stated / total, observed / total, np.bincount(bins, minlength=BINS))
