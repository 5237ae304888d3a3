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

    Of `photos`, `(n,)` indices, or all. Raises FaceSimError where validation or test could hold no genuine or no
    impostor pair.
    """
    photos, people = _shuffled_people(dataset, seed, photos)
    held = max(2, round(0.1 * len(people)))
    if len(people) < 2 * held + 2:
        raise FaceSimError(f"{dataset.name} holds {len(people)} identities: a split by identity needs 6 or more.")
    return _holding_out(dataset, photos, people[:held], people[held : 2 * held], seed)


def halve_by_identity(dataset: Dataset, seed: int, photos: np.ndarray | None = None) -> Split:
    """Train on nobody, choose the threshold on one half of the identities, test on the other, drawn with `seed`.

    Raises FaceSimError as `split_by_identity` does.
    """
    photos, people = _shuffled_people(dataset, seed, photos)
    if len(people) < 4:
        raise FaceSimError(f"{dataset.name} holds {len(people)} identities: to choose a threshold and test it takes 4.")
    return _holding_out(dataset, photos, *np.array_split(people, 2), seed)


def fold_by_identity(dataset: Dataset, count: int, seed: int, photos: np.ndarray | None = None) -> list[Split]:
    """Cut the identities into `count` folds, drawn with `seed`; each tests once, while the next chooses the threshold.

    Raises FaceSimError as `split_by_identity` does, and where `count` is under 3 or there are too few identities.
    """
    photos, people = _shuffled_people(dataset, seed, photos)
    if count < 3:
        raise FaceSimError(f"--folds {count}: it takes 3, one to test, one to choose the threshold, one to train on.")
    if len(people) < 2 * count:
        raise FaceSimError(f"--folds {count} of {len(people)} identities: a fold needs two of them to hold any pair.")
    folds = np.array_split(people, count)
    return [_holding_out(dataset, photos, folds[(i + 1) % count], folds[i], seed) for i in range(count)]


def _shuffled_people(dataset: Dataset, seed: int, photos: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    photos = np.arange(len(dataset.photos)) if photos is None else photos
    people = np.unique(dataset.identities[photos])
    np.random.default_rng(seed).shuffle(people)
    return photos, people


def _holding_out(dataset: Dataset, photos: np.ndarray, validation: np.ndarray, test: np.ndarray, seed: int) -> Split:
    identities = dataset.identities[photos]
    held = {}
    for part, people in (("choosing the threshold", validation), ("testing", test)):
        theirs = photos[np.isin(identities, people)]
        try:
            drawn = sample_pairs(dataset.identities[theirs], PAIRS // 2, PAIRS // 2, seed)
        except FaceSimError as error:
            raise FaceSimError(
                f"{dataset.name}: none of the {len(people)} identities held out for {part} has two photos; add photos."
            ) from error
        held[part] = drawn.among(theirs)
    train = photos[~np.isin(identities, np.concatenate([validation, test]))]
    people = len(np.unique(dataset.identities[train]))
    description = f"by identity, seed {seed}: {people} to train, {len(validation)} to choose, {len(test)} to test"
    return Split(train, *held.values(), description)
