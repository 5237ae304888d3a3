"""A data set: a folder with a sub-folder of photos per identity."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.data.named import check_data_set
from facesim.errors import FaceSimError
from facesim.folder import people_below
from facesim.names import Spellings, normalised


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photos and who is on them: `photos[i]`, relative to `root`, shows `identities[i]`."""

    name: str
    root: Path
    photos: tuple[str, ...]
    identities: np.ndarray  # (n,) str

    def paths(self) -> list[Path]:
        return [self.root / photo for photo in self.photos]

    def fingerprint(self) -> str:
        """Return the SHA-256 over every photo's name and content."""
        whole = hashlib.sha256()
        for photo, path in zip(self.photos, self.paths(), strict=True):
            whole.update(os.fsencode(photo) + b"\0" + digest_of(path))
        return whole.hexdigest()


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file, zeros if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return bytes(32)


def read_folder(root: str | Path, name: str | None = None) -> Dataset:
    """Read `root`, in which the folder that holds a photo says who is on it, as in `people_below`.

    Raises FaceSimError if there is no such folder, or if it holds fewer than two identities with photos.
    """
    dataset = _read(Path(root), name, needed=2)
    if len(np.unique(dataset.identities)) < 2:
        raise FaceSimError(f"{root} holds fewer than two sub-folders with photos: one per identity is needed.")
    return dataset


def read_photos(root: str | Path, name: str | None = None) -> Dataset:
    """Read all photos of `root`: those in its sub-folders as `read_folder` does, its own with the identity "", unknown.

    Raises FaceSimError if there is no such folder, or if it holds no photo.
    """
    dataset = _read(Path(root), name, loose=True)
    if not dataset.photos:
        raise FaceSimError(f"{root} holds no photo, nor do its sub-folders: give a folder with .jpg or .png files.")
    return dataset


def identity_of(folder: str) -> str:
    """Return the identity that a folder is named for: its name without `pins_`, and with `_` for spaces.

    So a person in Pins as Kaggle ships it (`pins_Ana Li`) and in LFW (`Ana_Li`) has one name.
    """
    name = normalised(folder).strip().removeprefix("pins_").strip()
    return name.replace(" ", "_") or folder


def _read(root: Path, name: str | None, loose: bool = False, needed: int = 1) -> Dataset:
    check_data_set(root)
    people = people_below(root, identity_of, loose=loose, needed=needed)
    identities = np.array([identity for _, identity in people], str)
    return Dataset(name or root.resolve().name, root, tuple("/".join(parts) for parts, _ in people), identities)


def join_datasets(datasets: list[Dataset]) -> Dataset:
    """Return several data sets as one, in their order; one name, however spelled, is one person."""
    if len(datasets) == 1:
        return datasets[0]
    spellings = Spellings()
    return Dataset(
        "+".join(dataset.name for dataset in datasets),
        Path(),
        tuple(str(path.absolute()) for dataset in datasets for path in dataset.paths()),
        np.array([spellings.first(name) for dataset in datasets for name in dataset.identities.tolist()], str),
    )
