"""A data set: a folder with one sub-folder of photos per identity."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.errors import FaceSimError

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photos and who is on them; `photos[i]`, relative to `root`, shows `identities[i]`."""

    name: str
    root: Path
    photos: tuple[str, ...]
    identities: np.ndarray  # (n,) str

    def paths(self) -> list[Path]:
        return [self.root / photo for photo in self.photos]

    def fingerprint(self) -> str:
        """Return the SHA-256 over every photo's name and content: the same photos, the same fingerprint."""
        whole = hashlib.sha256()
        for photo, path in zip(self.photos, self.paths(), strict=True):
            whole.update(os.fsencode(photo) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return whole.hexdigest()


def read_folder(root: str | Path, name: str | None = None) -> Dataset:
    """Read `root`, which holds one folder of photos per identity; hidden files and empty folders are passed over.

    The identity is the folder's name, as Kaggle ships Pins (`pins_Ana Li`) and as LFW has it (`Ana_Li`) alike: without
    `pins_`, and `_` for spaces, so that a person in both is one.

    Raises FaceSimError when there is no such folder, or when it holds no two identities with photos.
    """
    root = Path(root)
    if not root.is_dir():
        raise FaceSimError(f"{root} is not a folder: give one with a sub-folder of photos per identity, lfw or pins.")
    found = sorted(
        (path.parent.name, path.name)
        for folder in root.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
        for path in folder.iterdir()
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    )
    identities = np.array([folder.removeprefix("pins_").replace(" ", "_") for folder, _ in found])
    if len(np.unique(identities)) < 2:
        raise FaceSimError(f"{root} holds fewer than two sub-folders with photos: one per identity is needed.")
    photos = tuple(f"{folder}/{photo}" for folder, photo in found)
    return Dataset(name or root.resolve().name, root, photos, identities)


def join_datasets(datasets: list[Dataset]) -> Dataset:
    """Return several data sets as one, in their order; people of one name are one person."""
    if len(datasets) == 1:
        return datasets[0]
    return Dataset(
        "+".join(dataset.name for dataset in datasets),
        Path(),
        tuple(str(path.absolute()) for dataset in datasets for path in dataset.paths()),
        np.concatenate([dataset.identities for dataset in datasets]),
    )
