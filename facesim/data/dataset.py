"""A data set: a folder with one sub-folder of photos per identity."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.errors import FaceSimError
from facesim.photo import PHOTO_SUFFIXES


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

    Raises FaceSimError when there is no such folder, or when it holds no two identities with photos.
    """
    dataset = _read(Path(root), name, own=False)
    if len(np.unique(dataset.identities)) < 2:
        raise FaceSimError(f"{root} holds fewer than two sub-folders with photos: one per identity is needed.")
    return dataset


def read_photos(root: str | Path, name: str | None = None) -> Dataset:
    """Read all photos of `root`: those in its sub-folders as `read_folder` does, its own with the identity "", unknown.

    Raises FaceSimError when there is no such folder, or when it holds no photo.
    """
    dataset = _read(Path(root), name, own=True)
    if not dataset.photos:
        raise FaceSimError(f"{root} holds no photo, nor do its sub-folders: give a folder with .jpg or .png files.")
    return dataset


def identity_of(folder: str) -> str:
    """Return whom a folder's name means, as Kaggle ships Pins (`pins_Ana Li`) and as LFW has it (`Ana_Li`) alike.

    It is the name without `pins_`, and with `_` for spaces, so that a person in both is one.
    """
    return folder.removeprefix("pins_").replace(" ", "_")


def _read(root: Path, name: str | None, own: bool) -> Dataset:
    if not root.is_dir():
        raise FaceSimError(f"{root} is not a folder: give one with a sub-folder of photos per identity, lfw or pins.")
    folders = [folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = sorted(
        path.relative_to(root).parts
        for folder in ([*folders, root] if own else folders)
        for path in folder.iterdir()
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    )
    identities = np.array(["".join(map(identity_of, folder)) for *folder, _ in found], str)
    return Dataset(name or root.resolve().name, root, tuple("/".join(place) for place in found), identities)


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
