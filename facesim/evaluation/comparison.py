"""Two models on the same pairs: what each gets right, and whether they differ by more than chance."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from facesim.errors import FaceSimError
from facesim.evaluation.metrics import Rates, SortedDistances
from facesim.evaluation.pair_grid import draw_grid, stack_titled
from facesim.evaluation.scoring import Scores
from facesim.evaluation.uncertainty import PairedTest, paired_test
from facesim.model import Model

_MAX_SHOWN = 24  # pairs drawn of each kind


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """One model of two: its rates at its own threshold, and its AUC."""

    rates: Rates[float]
    auc: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same pairs, each at its own threshold; a pair without a face is a non-match to both."""

    protocol: str
    model_a: str
    model_b: str
    a: ComparedModel
    b: ComparedModel
    test: PairedTest
    without_face: int  # pairs
    only_a_right: np.ndarray  # (k,) indices of pairs, first those on which the models are furthest apart
    only_b_right: np.ndarray  # (l,)


def compare(
    distances_a: np.ndarray,
    distances_b: np.ndarray,
    same: np.ndarray,
    thresholds: tuple[float, float],
    names: tuple[str, str] = ("A", "B"),
    protocol: str = "",
) -> Comparison:
    """Compare the distances, `(n,)`, that two models give to the same pairs, `same` `(n,) bool`.

    How far apart the models are on a pair is the sum of both margins, each in units of its own threshold. Raises
    FaceSimError where a threshold is not above 0.
    """
    if min(thresholds) <= 0:
        raise FaceSimError(f"thresholds {thresholds}: distances are compared with thresholds above 0.")
    right, apart, models = [], np.zeros(len(same)), []
    for distances, threshold in zip((distances_a, distances_b), thresholds, strict=True):
        right.append((distances < threshold) == same)
        apart += np.abs(np.nan_to_num(distances, nan=threshold) / threshold - 1)
        measured = SortedDistances.of(distances, same)
        models.append(ComparedModel(measured.rates(threshold), measured.auc()))
    order = np.argsort(-apart, kind="stable")
    only_a, only_b = (order[(mine & ~other)[order]] for mine, other in (right, right[::-1]))
    a, b = models
    without_face = int((np.isnan(distances_a) | np.isnan(distances_b)).sum())
    return Comparison(protocol, *names, a, b, paired_test(*right), without_face, only_a, only_b)


def compare_models(scores_a: Scores, scores_b: Scores, model_a: Model, model_b: Model) -> Comparison:
    """Compare two models' scores on one protocol, each at the threshold in its file."""
    return compare(
        scores_a.distances,
        scores_b.distances,
        scores_a.protocol.pairs.same,
        (model_a.info.threshold, model_b.info.threshold),
        (str(model_a.path), str(model_b.path)),
        scores_a.protocol.name,
    )


def draw_disagreements(scores_a: Scores, scores_b: Scores, comparison: Comparison) -> Image.Image:
    """Draw up to 24 pairs of each kind on which the models disagree, in green where B is right, in red where A is.

    Raises FaceSimError where they agree on all.
    """
    parts, pairs = [], scores_a.protocol.pairs
    for name, indices in (("B", comparison.only_b_right), ("A", comparison.only_a_right)):
        shown = indices[:_MAX_SHOWN]
        if not len(shown):
            continue
        captions = [
            f"{'same' if pairs.same[i] else 'different'} A {scores_a.distances[i]:.3f} B {scores_b.distances[i]:.3f}"
            for i in shown
        ]
        grid = draw_grid(scores_a.crops.wide, pairs.at(shown), captions, [name == "B"] * len(shown))
        title = f"only {name} is right: {len(indices):,} of {len(pairs):,} pairs, {len(shown)} shown"
        parts.append((title, grid))
    if not parts:
        raise FaceSimError("the models agree on every pair: there is nothing to draw.")
    return stack_titled(parts)
