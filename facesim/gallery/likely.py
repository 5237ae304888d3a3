"""Which groups of faces, or which people, are probably one person."""

import heapq
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facesim.gallery.rows import FaceRow
from facesim.model_info import ModelInfo

MIN_PROBABILITY = 0.2  # of a pair that is listed
MAX_PAIRS = 100
# Before their distance is known, the odds that two of n groups are one person are PRIOR to n, and even for fewer.
# `python benchmarks/likely_pairs.py lfw pins hard poses` fits it, and compares measures of distance.
PRIOR = 4.0
_MAX_COMPARED = 2**22  # pairs of groups at once

Group = Sequence[FaceRow]


@dataclass(frozen=True, slots=True)
class LikelyPair:
    """Two groups that are probably one person, as indices, and the closest face of each."""

    one: int
    other: int
    probability: float
    distance: float  # of the closest faces
    faces: tuple[FaceRow, FaceRow]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON has of the pair, besides the groups."""
        faces = [{"photo": face.photo, "box": face.face.box._asdict()} for face in self.faces]
        return {"probability": self.probability, "distance": self.distance, "faces": faces}


def likely_pairs(
    groups: Sequence[Group],
    info: ModelInfo,
    together: Collection[frozenset[int]] = (),
    allow_twice: bool = False,
) -> list[LikelyPair]:
    """Return the pairs of groups that are probably one person, the most probable first, at most a hundred.

    The distance of two groups is the root mean square over all pairs of their faces, and the probability is the model's
    at that distance, with prior odds of 4 to the number of groups. Pairs of at least 20 % are returned, and those in
    `together`, by their indices, in any case; but no pair of whom one photo shows both, unless `allow_twice`.
    """
    means = np.array([np.array([row.embedding for row in group]).mean(axis=0) for group in groups])
    found: list[tuple[int, int, float]] = []
    for one, other in map(sorted, together):
        log_odds = group_log_odds(info, means[one], means[other], len(groups))
        found.append((one, other, float(log_odds)))
    least = math.log(MIN_PROBABILITY / (1 - MIN_PROBABILITY))
    rows_at_once = max(1, _MAX_COMPARED // max(1, len(groups)))
    for start in range(0, len(groups), rows_at_once):
        log_odds = group_log_odds(info, means[start : start + rows_at_once], means, len(groups))
        for i, other in np.argwhere(log_odds >= least).tolist():
            one = start + i
            if one < other and {one, other} not in together:
                found.append((one, other, float(log_odds[i, other])))
    photos = [{row.photo for row in group} for group in groups]
    apart = (pair for pair in found if allow_twice or photos[pair[0]].isdisjoint(photos[pair[1]]))
    likeliest = heapq.nlargest(MAX_PAIRS, apart, key=lambda pair: pair[2])
    return [_likely(groups, one, other, odds) for one, other, odds in likeliest]


def group_log_odds(info: ModelInfo, one: np.ndarray, other: np.ndarray, count: int) -> np.ndarray:
    """Return the log odds, `(m, n)`, that groups are one person, among `count` groups.

    `one`, `(m, d)`, and `other`, `(n, d)`, are the means of their faces' embeddings, which are all that the root mean
    square distance between their faces depends on.
    """
    distances = np.sqrt(np.maximum(0, 2 - 2 * one @ other.T))
    intercept, slope = info.calibration
    return intercept + slope * distances + math.log(PRIOR / max(PRIOR, count))


def _likely(groups: Sequence[Group], one: int, other: int, log_odds: float) -> LikelyPair:
    products = np.array([row.embedding for row in groups[one]]) @ np.array([row.embedding for row in groups[other]]).T
    i, j = np.unravel_index(products.argmax(), products.shape)
    distance = math.sqrt(max(0.0, 2 - 2 * float(products[i, j])))
    probability = 1 / (1 + math.exp(min(700.0, -log_odds)))
    return LikelyPair(one, other, probability, distance, (groups[one][i], groups[other][j]))
