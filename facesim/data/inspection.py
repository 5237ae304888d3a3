"""Inspect a data set before training: what it holds, and which of its photos would do harm."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.data.duplicates import Copies, find_copies
from facesim.data.exclusions import FILE_NAME, write_exclusions
from facesim.errors import FaceSimError


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a data set; photos are given by their index in it."""

    dataset: Dataset
    counts: dict[str, int]  # photos per identity, most first
    sizes: np.ndarray  # (n, 2) int, each photo's width and height in pixels; 0 if it cannot be opened
    unreadable: dict[int, str]  # why it cannot be opened
    faceless: tuple[int, ...]
    several_faces: dict[int, int]  # how many
    copies: tuple[Copies, ...]

    def two_names(self) -> list[Copies]:
        """Return the copies under several names, of which at most one is right."""
        return [copies for copies in self.copies if len(self.names(copies)) > 1]

    def one_name(self) -> list[Copies]:
        """Return the copies within one identity."""
        return [copies for copies in self.copies if len(self.names(copies)) == 1]

    def names(self, copies: Copies) -> list[str]:
        return list(dict.fromkeys(self.dataset.identities[list(copies.photos)].tolist()))

    def to_exclude(self) -> dict[int, str]:
        """Return the photos that training is better off without, and why.

        Of copies within one identity, the largest photo that shows a face is kept; of copies under several names, none.
        """
        photos = self.dataset.photos
        reasons = {}
        for copies in self.copies:
            names = self.names(copies)
            kept = max(copies.photos, key=lambda i: (i not in self.faceless, self.sizes[i].prod(), -i))
            for i in copies.photos:
                if len(names) > 1:
                    others = ", ".join(photos[j] for j in copies.photos if j != i)
                    reasons[i] = f"the same photo stands under {len(names)} names: {others}"
                elif i != kept:
                    reasons[i] = f"the same photo as {photos[kept]}"
        return reasons | self.unreadable | dict.fromkeys(self.faceless, "no face found")


def inspect_dataset(dataset: Dataset, crops: CachedCrops) -> Inspection:
    """Count photos and problems, and look for copies."""
    names, counts = np.unique(dataset.identities, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    opened = crops.sizes.min(axis=1) > 0
    paths = dataset.paths()
    return Inspection(
        dataset,
        dict(zip(names[order].tolist(), counts[order].tolist(), strict=True)),
        crops.sizes,
        {i: reason.removeprefix(f"{paths[i]} ") for i, reason in crops.problems.items() if not opened[i]},
        tuple(i for i in crops.problems if opened[i]),
        {i: int(crops.face_counts[i]) for i in np.flatnonzero(crops.face_counts > 1).tolist()},
        find_copies(dataset, np.flatnonzero(opened)),
    )


def exclude_findings(inspection: Inspection, parts: tuple[Dataset, ...], file: Path | None = None) -> list[Path]:
    """Write an exclusion list to the folder of each of `parts`, joined in the inspection, or one for all to `file`.

    Returns the files written; raises FaceSimError if one cannot be.
    """
    reasons, start = inspection.to_exclude(), 0
    lists: dict[Path, dict[str, str]] = {}
    for part in parts:
        listed = lists.setdefault(file or part.root / FILE_NAME, {})
        listed |= {photo: reasons[i] for i, photo in enumerate(part.photos, start) if i in reasons}
        start += len(part.photos)
    for path, listed in lists.items():
        try:
            write_exclusions(path, listed)
        except FaceSimError as error:
            other = "Give another file" if file else "Or write the list elsewhere"
            raise FaceSimError(f"{error} {other} with --exclusions FILE.") from error
    return list(lists)
