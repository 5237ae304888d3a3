"""How far a measured rate, a mean, or a difference between two models can be trusted."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from facesim.evaluation.metrics import Interval, Rates, SortedDistances

_CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)
_DRAWS = 1000  # of identities, in a bootstrap of rates at given thresholds
_MAX_DRAWN_PAIRS = 10_000_000  # in all draws of a bootstrap together

Name = TypeVar("Name", bound=Hashable)


def wilson_interval(errors: float, count: int) -> Interval:
    """Return the 95 % interval for a rate of `errors` in `count` (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    centre = (errors + _Z**2 / 2) / (count + _Z**2)
    reach = _Z / (count + _Z**2) * np.sqrt(errors * (count - errors) / count + _Z**2 / 4)
    low, high = float(centre - reach), float(centre + reach)
    return (max(0.0, low) if errors else 0.0), (min(1.0, high) if errors < count else 1.0)  # not 1e-17 for 0


def f1_interval(counts: Rates[float], draws: int = 10_000) -> Interval:
    """Return the 95 % bootstrap interval of F1: as many genuine and impostor pairs, drawn again with replacement.

    NaN where there is no genuine pair.
    """
    random = np.random.default_rng(0)
    missed = random.binomial(counts.genuine, counts.fnmr if counts.genuine else 0, draws)
    matched = random.binomial(counts.impostor, counts.fmr if counts.impostor else 0, draws)
    hits = counts.genuine - missed
    with np.errstate(invalid="ignore"):
        return _middle(2 * hits / (2 * hits + missed + matched))


def _middle(values: np.ndarray) -> Interval:
    """Return the interval that holds the middle 95 % of `values`, `(n,)`; NaN where there are none."""
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.5 - _CONFIDENCE / 2, 0.5 + _CONFIDENCE / 2]).tolist()
    return low, high


def bootstrap_by_identity(
    distances: np.ndarray,
    same: np.ndarray,
    identities: np.ndarray | None,
    measure: Callable[[SortedDistances], dict[Name, float]],
) -> dict[Name, Interval]:
    """Return a 95 % interval for each value that `measure` returns, for the case that other people are photographed.

    `identities`, `(n, 2) int`, says who is in each pair. They are drawn with replacement, up to a thousand times: a
    genuine pair counts as often as its identity was drawn, an impostor pair as the product of both identities' draws.
    Where only one side is left to chance, as the probe's is before a fixed gallery, `identities` is `(n,)`. Without
    `identities`, pairs are drawn. Draws in which a value is undefined (NaN) are left out; NaN where all are.
    """
    random = np.random.default_rng(0)
    if identities is not None:
        identities = np.unique(identities, return_inverse=True)[1].reshape(identities.shape)
    count = len(same) if identities is None else int(identities.max(initial=-1)) + 1
    draws = max(100, min(1000, _MAX_DRAWN_PAIRS // max(1, len(same)))) if count else 0
    values: dict[Name, list[float]] = {name: [] for name in measure(SortedDistances.of(distances, same))}
    for _ in range(draws):
        times = random.multinomial(count, np.full(count, 1 / count))
        if identities is not None:
            times = times[identities]
            times = times if times.ndim == 1 else times[:, 0] * np.where(same, 1, times[:, 1])
        rows = np.repeat(np.arange(len(same)), times)
        for name, value in measure(SortedDistances.of(distances[rows], same[rows])).items():
            values[name].append(value)
    return {name: _middle(np.array(drawn, float)[~np.isnan(drawn)]) for name, drawn in values.items()}


def rate_intervals(wrong: np.ndarray, identities: np.ndarray | None) -> list[Interval]:
    """Return the 95 % interval of each of `k` error rates; `wrong`, `(n, k) bool`, says which pairs are errors.

    As `bootstrap_by_identity`, for pairs of one kind: `identities`, `(n, 2) int`, are drawn with replacement. Where all
    draws agree, as where no pair is wrong, and without `identities`, it is Wilson's: as if pairs were independent.
    """
    from scipy.sparse import coo_array  # not needed without groups

    wilson = [wilson_interval(int(errors), len(wrong)) for errors in wrong.sum(axis=0)]
    if identities is None or not len(wrong):
        return wilson
    names, numbers = np.unique(identities, return_inverse=True)
    first, second = numbers.reshape(identities.shape).T
    count = len(names)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(float)
    genuine = bool((first == second).all())

    def weigh(weights: np.ndarray) -> np.ndarray:
        """Sum the weights, `(n,)`, of the pairs, each as often as a draw holds it: `(draws,)`."""
        if genuine:
            return drawn @ np.bincount(first, weights, count)
        by_identity = coo_array((weights, (first, second)), shape=(count, count)).tocsr()
        return ((drawn @ by_identity) * drawn).sum(axis=1)

    pairs = weigh(np.ones(len(wrong)))
    kept = pairs > 0
    intervals = [_middle(weigh(errors.astype(float))[kept] / pairs[kept]) for errors in wrong.T]
    return [interval if interval[0] < interval[1] else plain for interval, plain in zip(intervals, wilson, strict=True)]


def mean_with_error(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Return the mean over k folds and its standard error: their standard deviation (n − 1) by the root of k."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Whether two models differ on the same pairs: McNemar's exact test, and the difference in accuracy, B − A."""

    only_a_right: int
    only_b_right: int
    pairs: int
    difference: float
    interval: Interval  # of the difference, 95 %
    p_value: float


def paired_test(right_a: np.ndarray, right_b: np.ndarray) -> PairedTest:
    """Compare which pairs, `(n,) bool`, two models get right.

    The p value is McNemar's (1947), exact: the probability that a fair coin divides the pairs that only one model gets
    right at least as unequally. The interval is Wald's with half a pair added to each of the four cells (Agresti and
    Min 2005).
    """
    from scipy.stats import binomtest  # it takes half a second

    only_a, only_b, pairs = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum()), len(right_a)
    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    a, b, n = only_a + 0.5, only_b + 0.5, pairs + 2
    reach = float(_Z * np.sqrt(a + b - (b - a) ** 2 / n) / n)
    difference = (only_b - only_a) / pairs if pairs else float("nan")
    return PairedTest(only_a, only_b, pairs, difference, ((b - a) / n - reach, (b - a) / n + reach), p_value)
