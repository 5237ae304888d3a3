"""Splits by identity: nobody is in two parts."""

from dataclasses import dataclass

import numpy as np

from facesim.data.dataset import Dataset
from facesim.data.pairs import Pairs, sample_pairs
from facesim.errors import FaceSimError


@dataclass(frozen=True, slots=True)
class Split:
    """Photo indices to train on, and the pairs that choose the threshold and that test it."""

    train: np.ndarray  # (n,) int
    validation: Pairs
    test: Pairs
    description: str

    def identities(self, dataset: Dataset) -> dict[str, set[str]]:
        """Return who is in each part."""
        parts = {"train": self.train}
        for part, pairs in (("validation", self.validation), ("test", self.test)):
            parts[part] = np.concatenate([pairs.first, pairs.second])
        return {part: set(dataset.identities[photos].tolist()) for part, photos in parts.items()}

    def check_faces(self, dataset: Dataset, usable: np.ndarray) -> None:
        """Raise FaceSimError where the photos with a face, `(n,) bool`, leave too few pairs to choose or to test."""
        for pairs in (self.validation, self.test):
            kinds = pairs.same[usable[pairs.first] & usable[pairs.second]]
            if kinds.all() or not kinds.any():
                raise FaceSimError(f"{dataset.name}: too few photos of the people held out show a face: add photos.")


PAIRS = 2000  # drawn to choose the threshold, and to test it, half of them genuine


def split_by_identity(dataset: Dataset, seed: int, photos: np.ndarray | None = None) -> Split:
    """Train on 80 % of the identities, choose the threshold on 10 %, test on 10 %, drawn with `seed`.

    Of `photos`, `(n,)` indices, or all. Where that draw leaves a part without anybody who has two photos, of whom alone
    genuine pairs can be made, those who have are shared out first: a third of them, or 10 % of all, to each part held
    out, and the others train along with those who have one photo.

    Raises FaceSimError where there are under 6 identities, or under two with two photos.
    """
    people = _People(dataset, seed, photos)
    held = max(2, round(0.1 * len(people.names)))
    if len(people.names) < 2 * held + 2:
        raise FaceSimError(f"{dataset.name} holds {len(people.names)} identities: a split by identity needs 6 or more.")
    validation, test, train = np.split(np.arange(len(people.names)), [held, 2 * held])
    if people.give_pairs(validation, test) and people.repeated[train].sum() >= 2:
        return people.holding_out(validation, test)
    people.check(2)
    repeated, single = np.flatnonzero(people.repeated), np.flatnonzero(~people.repeated)
    share = max(1, min(held, len(repeated) // 3))
    others = 2 - min(2, share)  # impostor pairs take two people
    validation, test = (
        np.concatenate([repeated[i * share : (i + 1) * share], single[i * others : (i + 1) * others]]) for i in (0, 1)
    )
    return people.holding_out(validation, test, shared_out=True)


def halve_by_identity(dataset: Dataset, seed: int, photos: np.ndarray | None = None) -> Split:
    """Train on nobody, choose the threshold on one half of the identities, test on the other, drawn with `seed`.

    Where a half would have nobody with two photos, those who have are shared out first. Raises FaceSimError where there
    are under 4 identities, or under two with two photos.
    """
    people = _People(dataset, seed, photos)
    count = len(people.names)
    if count < 4:
        raise FaceSimError(f"{dataset.name} holds {count} identities: to choose a threshold and test it takes 4.")
    halves = np.array_split(np.arange(count), 2)
    shared_out = not people.give_pairs(*halves)
    if shared_out:
        people.check(2)
        halves = people.shared_out(2)
    return people.holding_out(*halves, shared_out=shared_out)


def fold_by_identity(dataset: Dataset, count: int, seed: int, photos: np.ndarray | None = None) -> list[Split]:
    """Cut the identities into `count` folds, drawn with `seed`; each tests once, while the next chooses the threshold.

    Where a fold would have nobody with two photos, those who have are shared out first. Raises FaceSimError where
    `count` is under 3, or there are fewer identities than two a fold, or than one with two photos.
    """
    people = _People(dataset, seed, photos)
    if count < 3:
        raise FaceSimError(f"--folds {count}: it takes 3, one to test, one to choose the threshold, one to train on.")
    if len(people.names) < 2 * count:
        raise FaceSimError(
            f"--folds {count} of {len(people.names)} identities: a fold needs two of them to hold any pair."
        )
    folds = np.array_split(np.arange(len(people.names)), count)
    shared_out = not people.give_pairs(*folds)
    if shared_out:
        people.check(count)
        folds = people.shared_out(count)
    return [people.holding_out(folds[(i + 1) % count], folds[i], shared_out) for i in range(count)]


class _People:
    """Who is on a data set's photos, in the order that the seed gives; methods take places in it."""

    def __init__(self, dataset: Dataset, seed: int, photos: np.ndarray | None):
        self._dataset, self._seed = dataset, seed
        self._photos = np.arange(len(dataset.photos)) if photos is None else photos
        self._identities = dataset.identities[self._photos]
        names, counts = np.unique(self._identities, return_counts=True)
        self.names = names.copy()
        np.random.default_rng(seed).shuffle(self.names)
        self.repeated = counts[np.searchsorted(names, self.names)] > 1  # who has two photos or more

    def give_pairs(self, *parts: np.ndarray) -> bool:
        """Return whether each part has somebody with two photos."""
        return all(self.repeated[part].any() for part in parts)

    def check(self, needed: int) -> None:
        """Raise FaceSimError where fewer people than that have two photos."""
        found = int(self.repeated.sum())
        if found < needed:
            raise FaceSimError(
                f"{self._dataset.name}: {found} of the {len(self.names)} identities {'has' if found == 1 else 'have'} "
                f"two photos or more, and {needed} are needed, one for each part that is held out: add photos."
            )

    def shared_out(self, count: int) -> list[np.ndarray]:
        """Return parts of all people, each with its share of those who have two photos."""
        order = np.argsort(~self.repeated, kind="stable")
        return [order[part::count] for part in range(count)]

    def holding_out(self, validation: np.ndarray, test: np.ndarray, shared_out: bool = False) -> Split:
        """Return the split that trains on all others."""
        held = []
        for part in (validation, test):
            theirs = self._photos[np.isin(self._identities, self.names[part])]
            drawn = sample_pairs(self._dataset.identities[theirs], PAIRS // 2, PAIRS // 2, self._seed)
            held.append(drawn.among(theirs))
        train = np.delete(np.arange(len(self.names)), np.concatenate([validation, test]))
        parts = [(train, "to train"), (validation, "to choose"), (test, "to test")]
        description = f"by identity, seed {self._seed}: " + ", ".join(f"{len(part)} {use}" for part, use in parts)
        if shared_out:
            several = [f"{self.repeated[part].sum()} {use}" for part, use in parts]
            description += f"; with two photos or more: {', '.join(several)}"
        return Split(self._photos[np.isin(self._identities, self.names[train])], *held, description)
