"""Pairs with their distances: dealt out by person, counted, and drawn again for intervals."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facesim.data.split import MIN_PEOPLE
from facesim.text import pluralise

MIN_GENUINE, MIN_IMPOSTOR = 50, 500  # with fewer, thresholds get worse more often than better
_MAX_DRAWN = 50_000_000  # pairs in all draws of a bootstrap together


@dataclass(frozen=True, slots=True)
class MeasuredPairs:
    """Pairs, their distances, and who is in each, if that is known."""

    distances: np.ndarray  # (n,) float, NaN where a photo shows no face
    same: np.ndarray  # (n,) bool
    people: np.ndarray | None  # (n, 2) int

    def at(self, rows: np.ndarray) -> "MeasuredPairs":
        """Return some of the pairs: `rows` is `(m,) int` or `(n,) bool`."""
        return MeasuredPairs(self.distances[rows], self.same[rows], None if self.people is None else self.people[rows])

    def counts(self) -> dict[str, int | None]:
        """Return how many people, genuine and impostor pairs there are, of those with a face in both photos."""
        found = ~np.isnan(self.distances)
        genuine = found & self.same
        return {
            "people": None if self.people is None else len(np.unique(self.people[found])),
            "people_with_genuine_pairs": None if self.people is None else len(np.unique(self.people[genuine])),
            "genuine": int(genuine.sum()),
            "impostor": int((found & ~self.same).sum()),
        }

    def lacking(self) -> str:
        """Return what is there and what would be needed to choose a threshold; "" where there is enough."""
        counts = self.counts()
        parts = []
        for kind, needed, one, many in (
            (
                "people_with_genuine_pairs",
                MIN_PEOPLE,
                "person with two photos or more",
                "people with two photos or more",
            ),
            ("genuine", MIN_GENUINE, "genuine pair", "genuine pairs"),
            ("impostor", MIN_IMPOSTOR, "impostor pair", "impostor pairs"),
        ):
            count = counts[kind]
            if count is not None and count < needed:
                parts.append(f"{pluralise(count, one, many)} ({needed} are needed)")
        return " and ".join(parts)

    def deal_out(self, count: int, seed: int) -> np.ndarray:
        """Deal out the people to `count` parts, drawn with `seed`: return both people's parts, `(n, 2) int`.

        People with genuine pairs are dealt out first, so that each part has as many of them. Where people are not
        known, pairs are dealt out instead, genuine ones first.
        """
        random = np.random.default_rng(seed)
        if self.people is None:
            parts = _deal(self.same, count, random)
            return np.stack([parts, parts], axis=1)
        names, numbers = np.unique(self.people, return_inverse=True)
        numbers = numbers.reshape(self.people.shape)
        repeated = np.zeros(len(names), bool)
        repeated[numbers[self.same & ~np.isnan(self.distances), 0]] = True
        return _deal(repeated, count, random)[numbers]

    def draws(self, most: int = 1000) -> Iterator[np.ndarray]:
        """Yield how often each pair counts, `(n,) float`, in each draw of people with replacement.

        A genuine pair counts as often as its person was drawn, an impostor pair as the product of both people's draws.
        Where people are not known, pairs are drawn.
        """
        random = np.random.default_rng(0)
        numbers = None
        count = len(self.same)
        if self.people is not None:
            names, numbers = np.unique(self.people, return_inverse=True)
            numbers, count = numbers.reshape(self.people.shape), len(names)
        for _ in range(min(most, max(200, _MAX_DRAWN // max(1, len(self.same))))):
            times = random.multinomial(count, np.full(count, 1 / count)).astype(float)
            if numbers is not None:
                first, second = times[numbers[:, 0]], times[numbers[:, 1]]
                times = np.where(self.same, first, first * second)
            if times[self.same].any() and times[~self.same].any():
                yield times


def _deal(first: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Deal out `(n,)` items to `count` parts, drawn at random; those that come `first`, `(n,) bool`, first."""
    order = random.permutation(len(first))
    order = order[np.argsort(~first[order], kind="stable")]
    parts = np.empty(len(first), int)
    parts[order] = np.arange(len(first)) % count
    return parts
