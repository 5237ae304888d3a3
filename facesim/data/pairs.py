"""Pairs of photos: two index arrays into a data set, and whether each pair is genuine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facesim.data.identities import PhotosByIdentity
from facesim.errors import FaceSimError

_BLOCK = 65_536  # pairs measured at a time, so that memory stays bounded


@dataclass(frozen=True, slots=True)
class Pairs:
    """`first[i]` and `second[i]` are photo indices; `same[i]` says whether they show one identity. All `(n,)`."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray  # bool

    def __len__(self) -> int:
        return len(self.same)

    def at(self, rows: np.ndarray) -> "Pairs":
        """Return some of the pairs: `rows` is `(m,) int` or `(n,) bool`."""
        return Pairs(self.first[rows], self.second[rows], self.same[rows])

    def among(self, photos: np.ndarray) -> "Pairs":
        """Return pairs of indices of `photos`, `(m,) int`, as pairs of those photos."""
        return Pairs(photos[self.first], photos[self.second], self.same)

    def photos(self) -> np.ndarray:
        """Return the distinct photos, sorted."""
        return np.union1d(self.first, self.second)

    def people(self, identities: np.ndarray) -> np.ndarray:
        """Return who is in each pair, `(n, 2) int`, given who is on each photo."""
        return np.unique(identities, return_inverse=True)[1][np.stack([self.first, self.second], axis=1)]

    def distances(self, photos: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """Return the pairs' distances, `(n,)`, given the embeddings `(m, d)` of the sorted `photos` `(m,)`."""
        first, second = np.searchsorted(photos, self.first), np.searchsorted(photos, self.second)
        distances = np.empty(len(self), embeddings.dtype)
        for start in range(0, len(self), _BLOCK):
            block = slice(start, start + _BLOCK)
            distances[block] = np.linalg.norm(embeddings[first[block]] - embeddings[second[block]], axis=1)
        return distances


def all_pairs(identities: np.ndarray) -> Pairs:
    """Return every pair of photos that show `identities`, `(n,) str`: n · (n − 1) / 2 of them."""
    first, second = np.triu_indices(len(identities), 1)
    numbers = PhotosByIdentity(identities).numbers  # quicker to compare than names
    return Pairs(first, second, numbers[first] == numbers[second])


def join_pairs(parts: Sequence[Pairs]) -> Pairs:
    return Pairs(*(np.concatenate([getattr(pairs, field) for pairs in parts]) for field in ("first", "second", "same")))


def sample_pairs(identities: np.ndarray, genuine: int, impostor: int, seed: int) -> Pairs:
    """Draw distinct genuine and impostor pairs from photos that show `identities`, `(n,) str`.

    Identities are drawn first, then their photos, so that nobody with many photos dominates. If the photos cannot give
    that many distinct pairs of a kind, there are fewer.

    Raises FaceSimError if no genuine or no impostor pair can be made.
    """
    random, grouped = np.random.default_rng(seed), PhotosByIdentity(identities)
    counts = grouped.counts
    if len(counts) < 2 or not len(grouped.repeated):
        raise FaceSimError("pairs need two identities or more, and one of them with two photos or more.")

    def draw_genuine(count: int) -> np.ndarray:
        identity = random.choice(grouped.repeated, count)
        first = random.integers(counts[identity])
        second = (first + random.integers(1, counts[identity])) % counts[identity]
        return grouped.photo(identity, np.stack([first, second]))

    def draw_impostor(count: int) -> np.ndarray:
        first = random.integers(len(counts), size=count)
        both = np.stack([first, (first + random.integers(1, len(counts), size=count)) % len(counts)])
        return grouped.photo(both, random.integers(counts[both]))

    drawn = [_distinct(draw_genuine, genuine), _distinct(draw_impostor, impostor)]
    first, second = np.concatenate(drawn, axis=1)
    return Pairs(first, second, np.arange(len(first)) < drawn[0].shape[1])


def _distinct(draw: Callable[[int], np.ndarray], count: int) -> np.ndarray:
    """Return `(2, count)` distinct pairs, or fewer if ten times as many draws do not give them."""
    pairs = np.sort(draw(10 * count), axis=0)
    # one number a pair: np.unique of whole columns is far slower
    _, first_drawn = np.unique(pairs[0] * (pairs.max() + 1) + pairs[1], return_index=True)
    return pairs[:, np.sort(first_drawn)[:count]]
