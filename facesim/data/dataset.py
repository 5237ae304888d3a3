"""A data set: a folder with one sub-folder of photos per identity."""

import hashlib
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
            whole.update(photo.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        return whole.hexdigest()


def read_folder(root: str | Path, name: str | None = None) -> Dataset:
    """Read `root`, which holds one folder of photos per identity; hidden files and empty folders are passed over.

    Raises FaceSimError when there is no such folder, or when it holds no two identities with photos.
    """
    root = Path(root)
    if not root.is_dir():
        raise FaceSimError(f"{root} is not a folder: give one with a sub-folder of photos per identity, or 'lfw'.")
    found = sorted(
        (path.parent.name, path.name)
        for folder in root.iterdir()
        if folder.is_dir() and not folder.name.startswith(".")
        for path in folder.iterdir()
        if path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")
    )
    identities = np.array([identity for identity, _ in found])
    if len(np.unique(identities)) < 2:
        raise FaceSimError(f"{root} holds fewer than two sub-folders with photos: one per identity is needed.")
    photos = tuple(f"{identity}/{photo}" for identity, photo in found)
    return Dataset(name or root.resolve().name, root, photos, identities)
