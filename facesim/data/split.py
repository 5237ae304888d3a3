"""Splits by identity: nobody is in two parts."""

from dataclasses import dataclass

import numpy as np

from facesim.data.dataset import Dataset
from facesim.data.pairs import Pairs, join_pairs, sample_pairs
from facesim.errors import FaceSimError

PAIRS = 2000  # drawn to choose the threshold, and as many to test it, half of them genuine
MIN_PEOPLE = 10  # with two photos or more: by fewer, thresholds get worse more often than better


@dataclass(frozen=True, slots=True)
class Split:
    """Photo indices to train on, the pairs that choose the threshold, and the pairs that test it."""

    train: np.ndarray  # (n,) int
    validation: Pairs
    test: Pairs
    description: str

    def identities(self, dataset: Dataset) -> dict[str, set[str]]:
        """Return who is in each part."""
        parts = {"train": self.train, "validation": self.validation.photos(), "test": self.test.photos()}
        return {part: set(dataset.identities[photos].tolist()) for part, photos in parts.items()}

    def held_out_photos(self, dataset: Dataset, selected: np.ndarray) -> np.ndarray:
        """Return, sorted, the photos of validation and test pairs and all `selected` of their people, `(n,) int`.

        `selected` is `(photos,) bool`.
        """
        photos = join_pairs([self.validation, self.test]).photos()
        theirs = np.isin(dataset.identities, dataset.identities[photos])
        return np.union1d(photos, np.flatnonzero(theirs & selected))

    def check_faces(self, dataset: Dataset, usable: np.ndarray) -> None:
        """Raise FaceSimError if the photos with a face, `(n,) bool`, give too few pairs to choose or to test."""
        for pairs in (self.validation, self.test):
            kinds = pairs.same[usable[pairs.first] & usable[pairs.second]]
            if kinds.all() or not kinds.any():
                raise FaceSimError(f"{dataset.name}: too few photos of the people held out show a face: add photos.")


def split_by_identity(dataset: Dataset, seed: int, photos: np.ndarray | None = None) -> Split:
    """Choose the threshold on some identities, test on as many others, train on the rest, drawn with `seed`.

    `photos` are the indices to draw from, `(n,)`, by default all. Each part held out gets 10 % of the identities with
    two photos or more: at least ten of them if half of them are left to train on, else at least two, but no more than a
    third. Those who have one photo train; one is held out with somebody who would be alone in a part.

    Raises FaceSimError if there are fewer than 6 identities, or fewer than two with two photos.
    """
    people = _ShuffledIdentities(dataset, seed, photos)
    if len(people.names) < 6:
        raise FaceSimError(f"{dataset.name} holds {len(people.names)} identities: a split by identity needs 6 or more.")
    people.check(2)
    repeated, single = np.flatnonzero(people.repeated), np.flatnonzero(~people.repeated)
    least = MIN_PEOPLE if len(repeated) >= 4 * MIN_PEOPLE else 2
    share = max(1, min(max(least, round(0.1 * len(repeated))), len(repeated) // 3))
    others = 2 - min(2, share)  # impostor pairs take two people
    validation, test = (
        np.concatenate([repeated[i * share : (i + 1) * share], single[i * others : (i + 1) * others]]) for i in (0, 1)
    )
    return people.hold_out(validation, test, dealt_out=bool(len(single)))


def halve_by_identity(dataset: Dataset, seed: int, photos: np.ndarray | None = None) -> Split:
    """Train on nobody, choose the threshold on one half of the identities, test on the other, drawn with `seed`.

    If a half had nobody with two photos, those who have are dealt out first.

    Raises FaceSimError if there are fewer than 4 identities, or fewer than two with two photos.
    """
    people = _ShuffledIdentities(dataset, seed, photos)
    if len(people.names) < 4:
        raise FaceSimError(
            f"{dataset.name} holds {len(people.names)} identities: to choose a threshold and test it takes 4."
        )
    (validation, test), dealt_out = people.parts(2)
    return people.hold_out(validation, test, dealt_out)


def fold_by_identity(dataset: Dataset, count: int, seed: int, photos: np.ndarray | None = None) -> list[Split]:
    """Cut the identities into `count` folds, drawn with `seed`; each tests once, while the next chooses the threshold.

    If a fold had nobody with two photos, those who have are dealt out first.

    Raises FaceSimError if `count` is under 3, or there are fewer identities than two a fold, or than one with two
    photos.
    """
    people = _ShuffledIdentities(dataset, seed, photos)
    if count < 3:
        raise FaceSimError(f"--folds {count}: it takes 3, one to test, one to choose the threshold, one to train on.")
    if len(people.names) < 2 * count:
        raise FaceSimError(
            f"--folds {count} of {len(people.names)} identities: a fold needs two of them to hold any pair."
        )
    folds, dealt_out = people.parts(count)
    return [people.hold_out(folds[(i + 1) % count], folds[i], dealt_out) for i in range(count)]


class _ShuffledIdentities:
    """The identities of a data set, in an order drawn with the seed; the methods take indices into that order."""

    def __init__(self, dataset: Dataset, seed: int, photos: np.ndarray | None):
        self._dataset, self._seed = dataset, seed
        self._photos = np.arange(len(dataset.photos)) if photos is None else photos
        self._identities = dataset.identities[self._photos]
        names, counts = np.unique(self._identities, return_counts=True)
        order = np.random.default_rng(seed).permutation(len(names))
        self.names, self.repeated = names[order], counts[order] > 1  # repeated: who has two photos or more

    def give_pairs(self, *parts: np.ndarray) -> bool:
        """Return whether each part has somebody with two photos."""
        return all(self.repeated[part].any() for part in parts)

    def check(self, needed: int) -> None:
        """Raise FaceSimError if fewer people than `needed` have two photos."""
        found = int(self.repeated.sum())
        if found < needed:
            raise FaceSimError(
                f"{self._dataset.name}: {found} of the {len(self.names)} identities {'has' if found == 1 else 'have'} "
                f"two photos or more, and {needed} are needed, one for each part that is held out: add photos."
            )

    def parts(self, count: int) -> tuple[list[np.ndarray], bool]:
        """Cut into `count` parts, and return whether those who have two photos had to be dealt out to them first.

        Raises FaceSimError if they are fewer than the parts.
        """
        parts = np.array_split(np.arange(len(self.names)), count)
        if self.give_pairs(*parts):
            return parts, False
        self.check(count)
        order = np.argsort(~self.repeated, kind="stable")
        return [order[part::count] for part in range(count)], True

    def hold_out(self, validation: np.ndarray, test: np.ndarray, dealt_out: bool = False) -> Split:
        """Return the split that trains on all others."""
        train = np.delete(np.arange(len(self.names)), np.concatenate([validation, test]))
        parts = [(train, "to train"), (validation, "to choose"), (test, "to test")]
        description = f"by identity, seed {self._seed}: " + ", ".join(f"{len(part)} {use}" for part, use in parts)
        if dealt_out:
            several = [f"{self.repeated[part].sum()} {use}" for part, use in parts]
            description += f"; with two photos or more: {', '.join(several)}"
        return Split(self._photos_of(train), self._draw_pairs(validation), self._draw_pairs(test), description)

    def _photos_of(self, part: np.ndarray) -> np.ndarray:
        return self._photos[np.isin(self._identities, self.names[part])]

    def _draw_pairs(self, part: np.ndarray) -> Pairs:
        photos = self._photos_of(part)
        return sample_pairs(self._dataset.identities[photos], PAIRS // 2, PAIRS // 2, self._seed).among(photos)
