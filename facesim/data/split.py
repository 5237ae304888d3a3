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


def split_by_identity(dataset: Dataset, seed: int, pairs: int = 2000) -> Split:
    """Train on 80 % of the identities, choose the threshold on 10 %, test on 10 %, drawn with `seed`.

    Raises FaceSimError where validation or test could hold no genuine or no impostor pair.
    """
    people = np.unique(dataset.identities)
    np.random.default_rng(seed).shuffle(people)
    held = max(2, round(0.1 * len(people)))
    parts = {"validation": people[:held], "test": people[held : 2 * held], "train": people[2 * held :]}
    train = np.flatnonzero(np.isin(dataset.identities, parts["train"]))
    if len(parts["train"]) < 2:
        raise FaceSimError(f"{dataset.root} holds {len(people)} identities: a split by identity needs 6 or more.")
    chosen = {}
    for part in ("validation", "test"):
        photos = np.flatnonzero(np.isin(dataset.identities, parts[part]))
        try:
            drawn = sample_pairs(dataset.identities[photos], pairs // 2, pairs // 2, seed)
        except FaceSimError as error:
            raise FaceSimError(
                f"{dataset.root}: none of the {held} identities held out for {part} has two photos; add photos."
            ) from error
        chosen[part] = Pairs(photos[drawn.first], photos[drawn.second], drawn.same)
    description = f"by identity, seed {seed}: {len(parts['train'])} to train, {held} to choose, {held} to test"
    return Split(train, chosen["validation"], chosen["test"], description)
