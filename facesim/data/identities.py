"""Photos grouped by identity."""

import numpy as np


class PhotosByIdentity:
    """The photos that show `identities`, `(n,)`, grouped; identities are numbered in the order of their names.

    `numbers` `(n,) int` holds the number of each photo's identity; `counts` and `starts` `(k,) int` say how many photos
    an identity has, and where they begin in `photos` `(n,) int`.
    """

    def __init__(self, identities: np.ndarray):
        _, self.numbers, self.counts = np.unique(identities, return_inverse=True, return_counts=True)
        self.photos = np.argsort(self.numbers, kind="stable")
        self.starts = np.cumsum(self.counts) - self.counts

    @property
    def repeated(self) -> np.ndarray:
        """Return the identities with two photos or more, `(m,) int`."""
        return np.flatnonzero(self.counts > 1)

    def photo(self, identity: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Return the photos of these ranks, counted from 0, among their identity's; all of one shape."""
        return self.photos[self.starts[identity] + rank]


def rank_within_identity(identities: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return each photo's rank among those of its identity, `(n,) int` from 0, when all are taken in `order`."""
    grouped = PhotosByIdentity(identities[order])
    ranks = np.empty(len(order), int)
    ranks[order[grouped.photos]] = np.arange(len(order)) - np.repeat(grouped.starts, grouped.counts)
    return ranks
