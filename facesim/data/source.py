"""Open data sets by name or folder, join them into one, and select the photos to use."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesim.data.cache import CachedCrops, cached_crops
from facesim.data.dataset import Dataset, join_datasets, read_folder, read_photos
from facesim.data.exclusions import excluded
from facesim.data.identities import rank_within_identity
from facesim.data.lfw import data_home, find_lfw, lfw_fold, lfw_held_out, lfw_split
from facesim.data.named import NAMED
from facesim.data.pairs import Pairs
from facesim.data.split import Split, fold_by_identity, halve_by_identity, split_by_identity
from facesim.errors import FaceSimError

LFW_FOLDS = 10


@dataclass(frozen=True, slots=True)
class Source:
    """Photos, which of them are selected, and LFW's ten official folds if LFW is among them."""

    parts: tuple[Dataset, ...]
    dataset: Dataset  # all parts as one
    selected: np.ndarray  # (n,) bool: neither excluded nor outside the subset
    lfw_folds: tuple[Pairs, ...]  # empty without LFW

    def crops(self, photos: np.ndarray | None = None) -> CachedCrops:
        """Cut the faces of `photos`, `(m,) int`, by default all, or read what an earlier call has cut."""
        return cached_crops(self.dataset, photos)

    def fingerprint(self) -> str:
        """Return the SHA-256 over every photo's name and content, in all parts, whichever are selected."""
        parts = [part.fingerprint() for part in self.parts]
        return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()

    def description(self) -> dict[str, Any]:
        """Return what a model file says of its data."""
        return {
            "data": self.dataset.name,
            "fingerprint": self.fingerprint(),
            "photos_passed_over": int((~self.selected).sum()),
        }

    def split(self, seed: int) -> Split:
        """Return who trains, who chooses the threshold, and who tests.

        With LFW, its official folds decide; people of other data sets train, unless LFW holds out their namesakes.
        """
        if self.lfw_folds:
            return self._without_unselected(lfw_split(self.dataset, self.lfw_folds))
        return split_by_identity(self.dataset, seed, np.flatnonzero(self.selected))

    def held_out(self, seed: int) -> Split:
        """Return who chooses the threshold and who tests if nobody trains: people of LFW's folds, else halves."""
        if self.lfw_folds:
            return lfw_held_out(self.lfw_folds)
        return halve_by_identity(self.dataset, seed, np.flatnonzero(self.selected))

    def folds(self, count: int, seed: int) -> list[Split]:
        """Return `count` splits, each testing other people; ten on LFW are the official ones, View 2."""
        if self.lfw_folds and count == LFW_FOLDS:
            return [self._without_unselected(lfw_fold(self.dataset, self.lfw_folds, fold)) for fold in range(count)]
        return fold_by_identity(self.dataset, count, seed, np.flatnonzero(self.selected))

    def _without_unselected(self, split: Split) -> Split:
        return dataclasses.replace(split, train=split.train[self.selected[split.train]])


def open_source(
    names: tuple[str, ...],
    identities: int | None = None,
    max_per_identity: int | None = None,
    seed: int = 0,
    exclude: Path | None = None,
) -> Source:
    """Find data sets: "lfw", "pins", or folders with a sub-folder of photos per identity.

    So many `identities`, and up to `max_per_identity` photos of each, are drawn with `seed`, whatever number of photos
    a person has. `exclude` names an exclusion list, instead of those in the data sets' own folders.

    Raises FaceSimError if one cannot be found or read.
    """
    parts: list[Dataset] = []
    lfw_folds: list[Pairs] = []
    for name in names:
        dataset, folds = _find(name)
        if any(dataset.root.resolve() == part.root.resolve() for part in parts):
            continue  # the same folder by another name
        photos = np.arange(len(dataset.photos)) + sum(len(part.photos) for part in parts)
        lfw_folds += [pairs.among(photos) for pairs in folds]
        parts.append(dataset)
    dataset = join_datasets(parts)
    selected = ~np.concatenate([excluded(part, exclude) for part in parts])
    selected[selected] = draw_subset(dataset.identities[selected], identities, max_per_identity, seed)
    return Source(tuple(parts), dataset, selected, tuple(lfw_folds))


def find_photos(name: str) -> Dataset:
    """Find photos that may lack identities: "lfw", "pins", or a folder, with a sub-folder per identity or without.

    Raises FaceSimError if they cannot be found or read.
    """
    return _find(name)[0] if name in NAMED else read_photos(name)


def _find(name: str) -> tuple[Dataset, list[Pairs]]:
    if name == "lfw":
        return find_lfw()
    if name == "pins":
        folder = data_home() / "pins"
        if not folder.is_dir():
            raise FaceSimError(
                f"{folder} is not there: get Pins Face Recognition from Kaggle and unpack its pins_NAME folders there, "
                "or name another folder in FACESIM_DATA."
            )
        return read_folder(folder, "pins"), []
    return read_folder(name), []


def draw_subset(
    identities: np.ndarray, max_identities: int | None, max_per_identity: int | None, seed: int
) -> np.ndarray:
    """Draw some of the photos that show `identities`, `(n,) str`: return which, `(n,) bool`.

    Raises FaceSimError if there are fewer identities than `max_identities`.
    """
    random = np.random.default_rng(seed)
    drawn = np.ones(len(identities), bool)
    if max_identities is not None:
        names = np.unique(identities)
        if max_identities > len(names):
            raise FaceSimError(f"--identities {max_identities} is more than the {len(names)} that there are.")
        drawn = np.isin(identities, random.permutation(names)[:max_identities])
    if max_per_identity is not None:
        drawn &= rank_within_identity(identities, random.permutation(len(identities))) < max_per_identity
    return drawn
