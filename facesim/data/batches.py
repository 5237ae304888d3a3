"""Batches of P identities × K photos, and triplets at random: identities are drawn first, their photos second."""

from collections.abc import Iterator

import numpy as np


class IdentityBatches:
    """Batches for photos that show `identities`, `(n,) str`.

    A batch holds `people` identities with up to `photos` photos each, and `singles` who have only one photo. An epoch
    meets every identity with two photos or more as often as the median one of them can give other photos, but for a
    rest that would not fill a batch.
    """

    def __init__(self, identities: np.ndarray, people: int, photos: int, singles: int):
        _, self.people, counts = np.unique(identities, return_inverse=True, return_counts=True)
        self._rows = np.split(np.argsort(self.people, kind="stable"), np.cumsum(counts)[:-1])
        self._repeated, self._single = np.flatnonzero(counts > 1), np.flatnonzero(counts == 1)
        self._size, self._photos, self._singles = min(people, len(self._repeated)), photos, singles
        self._rounds = -(-int(np.median(counts[self._repeated])) // photos)

    def __len__(self) -> int:
        return max(1, self._rounds * len(self._repeated) // self._size)

    def draw(self, seed: int, shares: int = 1) -> Iterator[list[np.ndarray]]:
        """Yield batches: the rows of each share, `(b,)`.

        Where several processes train, each takes one of the `shares`; together they hold the batch that one would.
        """
        choose = np.random.default_rng(seed)
        order = np.concatenate([choose.permutation(self._repeated) for _ in range(self._rounds)])
        for batch in range(len(self)):
            present = np.unique(order[batch * self._size : (batch + 1) * self._size])
            rows = [self._some(person, choose) for person in present]
            rows += [self._rows[person] for person in choose.permutation(self._single)[: self._singles]]
            yield [np.concatenate(rows[share::shares]) for share in range(shares)]

    def _some(self, person: int, choose: np.random.Generator) -> np.ndarray:
        rows = self._rows[person]
        return choose.choice(rows, min(self._photos, len(rows)), replace=False)


def sample_triplets(identities: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw rows of anchors, genuine and impostors, `(3, count)`, from photos that show `identities`, `(n,) str`.

    At least two identities are needed, one of them with two photos.
    """
    random = np.random.default_rng(seed)
    _, people, counts = np.unique(identities, return_inverse=True, return_counts=True)
    photos, starts = np.argsort(people, kind="stable"), np.cumsum(counts) - counts
    person = random.choice(np.flatnonzero(counts > 1), count)
    other = (person + random.integers(1, len(counts), count)) % len(counts)
    anchor = random.integers(counts[person])
    genuine = (anchor + random.integers(1, counts[person])) % counts[person]
    impostor = random.integers(counts[other])
    return photos[np.stack([starts[person] + anchor, starts[person] + genuine, starts[other] + impostor])]
