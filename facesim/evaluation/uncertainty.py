"""How far a measured rate, a mean or a difference between two models can be trusted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.stats import binomtest, norm

from facesim.evaluation.metrics import Rates, SortedDistances

_DRAWS = 1000  # of people, in a bootstrap of rates at given thresholds
_WORK = 10_000_000  # pairs looked at in all draws of a bootstrap


def wilson_interval(errors: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval for a rate of `errors` in `count` (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    z = norm.ppf(0.5 + confidence / 2)
    centre = (errors + z**2 / 2) / (count + z**2)
    reach = z / (count + z**2) * np.sqrt(errors * (count - errors) / count + z**2 / 4)
    low, high = float(centre - reach), float(centre + reach)
    return (max(0.0, low) if errors else 0.0), (min(1.0, high) if errors < count else 1.0)  # not 1e-17 for 0


def f1_interval(counts: Rates, confidence: float = 0.95, draws: int = 10_000) -> tuple[float, float]:
    """Return the bootstrap interval of F1: as many genuine and impostor pairs, drawn again with replacement.

    NaN where there is no genuine pair.
    """
    random = np.random.default_rng(0)
    missed = random.binomial(counts.genuine, counts.fnmr if counts.genuine else 0, draws)
    matched = random.binomial(counts.impostor, counts.fmr if counts.impostor else 0, draws)
    hits = counts.genuine - missed
    with np.errstate(invalid="ignore"):
        f1 = 2 * hits / (2 * hits + missed + matched)
    low, high = np.quantile(f1, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)


def bootstrap_by_identity(
    distances: np.ndarray,
    same: np.ndarray,
    people: np.ndarray | None,
    measure: Callable[[SortedDistances], list[float]],
    confidence: float = 0.95,
) -> list[tuple[float, float]]:
    """Return the interval of each of the numbers that `measure` returns, had other people been photographed.

    `people`, `(n, 2) int`, says who is in each pair. People are drawn with replacement, up to a thousand times: a
    genuine pair counts as often as its person was drawn, an impostor pair as the product of its two people's draws.
    Where only one of the two is a matter of chance, as a probe's person is before a given gallery, `people` is `(n,)`.
    Without `people`, pairs are drawn. Draws that leave a number undefined (NaN) are left out; NaN where all do.
    """
    random = np.random.default_rng(0)
    if people is not None:
        people = np.unique(people, return_inverse=True)[1].reshape(people.shape)
    count = len(same) if people is None else int(people.max(initial=-1)) + 1
    values = []
    for _ in range(max(100, min(1000, _WORK // max(1, len(same)))) if count else 0):
        drawn = random.multinomial(count, np.full(count, 1 / count))
        if people is not None:
            times = drawn[people]
            drawn = times if times.ndim == 1 else times[:, 0] * np.where(same, 1, times[:, 1])
        rows = np.repeat(np.arange(len(same)), drawn)
        values.append(measure(SortedDistances.of(distances[rows], same[rows])))
    values = np.array(values or [measure(SortedDistances.of(distances, same))], float).T
    edges = [0.5 - confidence / 2, 0.5 + confidence / 2]
    kept = (numbers[~np.isnan(numbers)] for numbers in values)
    return [tuple(np.quantile(numbers, edges).tolist()) if len(numbers) else (np.nan, np.nan) for numbers in kept]


def rate_intervals(wrong: np.ndarray, people: np.ndarray | None, confidence: float = 0.95) -> list[tuple[float, float]]:
    """Return the interval of each error rate, had other people been photographed: `wrong` is `(n, k) bool`, `k` rates.

    As `bootstrap_by_identity`, for pairs of one kind: `people`, `(n, 2) int`, are drawn with replacement. Where the
    draws say nothing, as where no pair is wrong, and without `people`, it is Wilson's: as if pairs were independent.
    """
    wilson = [wilson_interval(int(errors), len(wrong), confidence) for errors in wrong.sum(axis=0)]
    if people is None or not len(wrong):
        return wilson
    drawn, (first, second) = _draw_people(people)
    genuine = bool((first == second).all())

    def weigh(weights: np.ndarray) -> np.ndarray:
        """Sum the weights `(n,)` of the pairs, as often as each draw holds them: `(draws,)`."""
        if genuine:
            return drawn @ np.bincount(first, weights, drawn.shape[1])
        of_people = coo_array((weights, (first, second)), shape=(drawn.shape[1],) * 2).tocsr()
        return ((drawn @ of_people) * drawn).sum(axis=1)

    pairs = weigh(np.ones(len(wrong)))
    edges = [0.5 - confidence / 2, 0.5 + confidence / 2]
    intervals = []
    for errors, without in zip(wrong.T, wilson, strict=True):
        low, high = np.quantile(weigh(errors.astype(float))[pairs > 0] / pairs[pairs > 0], edges).tolist()
        intervals.append((low, high) if low < high else without)
    return intervals


def _draw_people(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each person was drawn in each of many draws, `(draws, p)`, and who is in each pair, `(2, n)`."""
    names, places = np.unique(people, return_inverse=True)
    count = len(names)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=_DRAWS).astype(float)
    return drawn, places.reshape(people.shape).T


def mean_with_error(values: np.ndarray) -> tuple[float, float]:
    """Return the mean over `(k,)` folds and its standard error: their standard deviation (n − 1) by the root of k."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Whether two models differ on the same pairs: McNemar's exact test, and the difference in accuracy, B − A."""

    only_a_right: int
    only_b_right: int
    pairs: int
    difference: float
    interval: tuple[float, float]
    p_value: float


def paired_test(right_a: np.ndarray, right_b: np.ndarray, confidence: float = 0.95) -> PairedTest:
    """Compare which pairs, `(n,) bool`, two models get right.

    The p value is McNemar's (1947), exact: that of a fair coin's showing so unequal a count of pairs that only one
    model gets right. The interval is Wald's with half a pair added to each of the four cells (Agresti and Min 2005).
    """
    only_a, only_b, pairs = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum()), len(right_a)
    p_value = float(binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    a, b, n = only_a + 0.5, only_b + 0.5, pairs + 2
    reach = float(norm.ppf(0.5 + confidence / 2) * np.sqrt(a + b - (b - a) ** 2 / n) / n)
    difference = (only_b - only_a) / pairs if pairs else float("nan")
    return PairedTest(only_a, only_b, pairs, difference, ((b - a) / n - reach, (b - a) / n + reach), p_value)
