"""The most telling errors: the pairs that a threshold gets most wrong, and the photos without a face."""

from dataclasses import dataclass

import numpy as np

from facesim.data.pairs import Pairs


@dataclass(frozen=True, slots=True)
class WorstErrors:
    """Indices of pairs that are wrong at a threshold, the worst first; pairs without a distance are left out."""

    false_matches: np.ndarray  # (≤ count,) int, the nearest impostor pairs
    false_non_matches: np.ndarray  # (≤ count,) int, the farthest genuine pairs


def worst_errors(distances: np.ndarray, same: np.ndarray, threshold: float, count: int) -> WorstErrors:
    """Return up to `count` errors of each kind at `threshold`; of equally bad pairs, those that come first."""
    distances, same = np.asarray(distances, float), np.asarray(same, bool)
    wrong = np.isfinite(distances) & ((distances < threshold) != same)
    return WorstErrors(
        _smallest(distances, np.flatnonzero(wrong & ~same), count),
        _smallest(-distances, np.flatnonzero(wrong & same), count),
    )


def _smallest(values: np.ndarray, indices: np.ndarray, count: int) -> np.ndarray:
    return indices[np.argsort(values[indices], kind="stable")][:count]


def photos_without_face(pairs: Pairs, usable: np.ndarray) -> np.ndarray:
    """Return the photos of `pairs` that are not `usable`, `(m,) bool`, that in most pairs first."""
    shown, times = np.unique(np.concatenate([pairs.first, pairs.second]), return_counts=True)
    missing = ~usable[shown]
    return shown[missing][np.argsort(-times[missing], kind="stable")]
