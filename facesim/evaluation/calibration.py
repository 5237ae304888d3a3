"""The probability that a distance stands for: fitted, and checked.

Throughout, `distances` is `(n,) float`, `same` is `(n,) bool`, and the calibration's (intercept, slope) give
P(same) = 1 / (1 + exp(−(intercept + slope · distance))), for equal priors: genuine pairs together weigh as
much as impostor pairs. Pairs without a distance (NaN) are left out, as no probability is stated for them.
"""

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well stated probabilities hold: in each tenth, the mean probability stated and the share of genuine pairs."""

    cllr: float  # bits per pair; 0 is perfect, 1 is no better than always saying 50 % (Brümmer and du Preez 2006)
    expected_error: float  # ECE: |stated − observed|, the mean over the pairs
    stated: np.ndarray  # (10,) mean probability in each bin; NaN where it is empty
    observed: np.ndarray  # (10,) share of genuine pairs in each bin, for equal priors; NaN where it is empty
    pairs: np.ndarray  # (10,) int


def fit_calibration(distances: np.ndarray, same: np.ndarray, threshold: float) -> tuple[float, float]:
    """Fit the slope by logistic regression from score to log odds (Morrison 2013); return intercept and slope.

    At the threshold the probability is a half, so that verdict and probability never contradict each other. The slope
    is never above 0: where distances are worse than random, the probability is a half everywhere.
    """
    from sklearn.linear_model import LogisticRegression  # it takes over a second: those who only measure do not wait

    found = ~np.isnan(distances)
    scale = distances[found].std() or 1.0
    model = LogisticRegression(C=100.0, class_weight="balanced", fit_intercept=False)
    model.fit((distances[found, None] - threshold) / scale, same[found])
    slope = min(0.0, float(model.coef_[0, 0] / scale))
    return -slope * threshold, slope


def reliability(distances: np.ndarray, same: np.ndarray, calibration: tuple[float, float]) -> Reliability:
    """Measure a calibration on pairs that it was not fitted on; Cllr and ECE are NaN without pairs of both kinds."""
    found = ~np.isnan(distances)
    same = np.asarray(same, bool)[found]
    log_odds = calibration[0] + calibration[1] * distances[found]
    genuine, impostor = int(same.sum()), int((~same).sum())
    if not genuine or not impostor:
        empty = np.full(BINS, np.nan)
        return Reliability(float("nan"), float("nan"), empty, empty, np.zeros(BINS, int))
    weights = np.where(same, 0.5 / genuine, 0.5 / impostor)
    cllr = float(weights @ np.logaddexp(0, np.where(same, -log_odds, log_odds)) / np.log(2))
    probability = np.exp(-np.logaddexp(0, -log_odds))
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    total, stated, observed = (
        np.bincount(bins, values, BINS) for values in (weights, weights * probability, weights * same)
    )
    with np.errstate(invalid="ignore"):
        expected_error = float(np.abs(stated - observed).sum())
        return Reliability(cllr, expected_error, stated / total, observed / total, np.bincount(bins, minlength=BINS))
