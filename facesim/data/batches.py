"""Batches of P identities × K photos, and random triplets: identities are drawn first, then their photos."""

from collections.abc import Iterator

import numpy as np

from facesim.data.identities import PhotosByIdentity


class IdentityBatches:
    """Batches of rows of `identities`, `(n,) str`, the identity that each photo shows.

    A batch holds `batch_identities` identities with up to `photos_each` photos, and `singles` who have only one. In an
    epoch every identity with two photos or more comes as often as the median one can show other photos, except for a
    remainder that would not fill a batch.
    """

    def __init__(self, identities: np.ndarray, batch_identities: int, photos_each: int, singles: int):
        grouped = PhotosByIdentity(identities)
        self.identity_numbers = grouped.numbers
        self._rows = np.split(grouped.photos, grouped.starts[1:])
        self._repeated, self._single = grouped.repeated, np.flatnonzero(grouped.counts == 1)
        self._size, self._photos, self._singles = min(batch_identities, len(self._repeated)), photos_each, singles
        self._rounds = -(-int(np.median(grouped.counts[self._repeated])) // photos_each)

    def __len__(self) -> int:
        return max(1, self._rounds * len(self._repeated) // self._size)

    def draw(self, seed: int, shares: int = 1) -> Iterator[list[np.ndarray]]:
        """Yield batches: the rows of each share, `(b,)`.

        When several processes train, each takes one of the `shares`; together they hold the batch that one would.
        """
        random = np.random.default_rng(seed)
        order = np.concatenate([random.permutation(self._repeated) for _ in range(self._rounds)])
        for batch in range(len(self)):
            present = np.unique(order[batch * self._size : (batch + 1) * self._size])
            rows = [self._some(self._rows[identity], random) for identity in present]
            rows += [self._rows[identity] for identity in random.permutation(self._single)[: self._singles]]
            yield [np.concatenate(rows[share::shares]) for share in range(shares)]

    def _some(self, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return random.choice(rows, min(self._photos, len(rows)), replace=False)


def sample_triplets(identities: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw rows of anchors, genuine and impostors, `(3, count)`, from photos that show `identities`, `(n,) str`.

    At least two identities are needed, one of them with two photos.
    """
    random, grouped = np.random.default_rng(seed), PhotosByIdentity(identities)
    counts = grouped.counts
    identity = random.choice(grouped.repeated, count)
    other = (identity + random.integers(1, len(counts), count)) % len(counts)
    anchor = random.integers(counts[identity])
    genuine = (anchor + random.integers(1, counts[identity])) % counts[identity]
    impostor = random.integers(counts[other])
    return grouped.photo(np.stack([identity, identity, other]), np.stack([anchor, genuine, impostor]))
