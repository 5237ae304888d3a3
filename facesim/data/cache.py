"""The crop cache: every face of a data set is cut once and kept on disk for later runs."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pooch
from tqdm import tqdm

from facesim.cores import cores
from facesim.data.dataset import Dataset
from facesim.detector.crop import WIDE_CROP_SIZE, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo

CROP_VERSION = 6  # raised whenever photos are cut otherwise, or more is stored
A_DAY = 86_400  # seconds
_CROP_SHAPE = (WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3)


class WideCrops(Protocol):
    """Wide crops `(n, 252, 252, 3) uint8`, read as an array is: `crops[i]`, or `crops[rows]` with `rows` `(m,) int`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class CachedCrops:
    """A data set's faces, on disk; a crop is black if `problems` has a reason for it."""

    wide: WideCrops
    problems: dict[int, str]  # photo index: why it has no crop
    face_counts: np.ndarray  # (n,) int, how many faces the photo shows
    sizes: np.ndarray  # (n, 2) int, the photo's width and height in pixels; 0 where it cannot be opened
    detectors: np.ndarray  # (n,) str, which detector found the face, "hog" or "cnn"; "" where there is none
    fingerprint: str  # of the data set

    @property
    def usable(self) -> np.ndarray:
        """Return which photos have a crop, `(n,) bool`."""
        usable = np.ones(len(self.wide), bool)
        usable[list(self.problems)] = False
        return usable


def cache_home() -> Path:
    return Path(pooch.os_cache("facesim")) / "crops"


def cached_crops(dataset: Dataset, home: Path | None = None) -> CachedCrops:
    """Cut the largest face out of every photo, or read the crops that an earlier call has cut.

    A photo that cannot be opened or shows no face is listed in `problems`.

    Raises FaceSimError if the disk has no room, or if no photo shows a face.
    """
    fingerprint = dataset.fingerprint()
    folder = (home or cache_home()) / f"{dataset.name}-{fingerprint[:16]}-{CROP_VERSION}"
    if not folder.is_dir():
        try:
            _fill(folder, dataset)
        except OSError as error:
            raise FaceSimError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        problems = {int(i): reason for i, reason in facts["problems"].items()}
        faces, sizes, detectors = (np.array(facts[name]) for name in ("faces", "sizes", "detectors"))
        wide = np.load(folder / "crops.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise FaceSimError(f"{folder} is damaged: delete it, and the faces are cut again.") from error
    if len(problems) == len(dataset.photos):
        raise FaceSimError(f"{dataset.root}: no face was found in any of its {len(problems)} photos.")
    return CachedCrops(wide, problems, faces, sizes, detectors, fingerprint)


class JoinedArrays:
    """The wide crops of several data sets, read as if they were one array; they stay on disk."""

    def __init__(self, arrays: list[WideCrops]):
        self._arrays = arrays
        self._starts = np.cumsum([0] + [len(array) for array in arrays])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        rows = np.asarray(rows)
        part = np.searchsorted(self._starts, rows, "right") - 1
        if rows.ndim == 0:
            return self._arrays[part][rows - self._starts[part]]
        crops = np.empty((len(rows), *_CROP_SHAPE), np.uint8)
        for i in np.unique(part):
            crops[part == i] = self._arrays[i][rows[part == i] - self._starts[i]]
        return crops


def join_crops(parts: list[CachedCrops]) -> CachedCrops:
    """Return the crops of several data sets as those of one, in their order."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0] + [len(part.wide) for part in parts])
    return CachedCrops(
        JoinedArrays([part.wide for part in parts]),
        {start + i: reason for start, part in zip(starts, parts, strict=False) for i, reason in part.problems.items()},
        np.concatenate([part.face_counts for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.detectors for part in parts]),
        hashlib.sha256("".join(part.fingerprint for part in parts).encode()).hexdigest(),
    )


def _fill(folder: Path, dataset: Dataset) -> None:
    """Write the cache beside `folder`, and rename it once it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed = len(dataset.photos) * int(np.prod(_CROP_SHAPE))
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise FaceSimError(f"{folder.parent} has {free / 1e9:.1f} GB free: the crops need {needed / 1e9:.1f} GB.")
    for left in folder.parent.glob(".partial-*/crops.npy"):  # left by a run that was killed
        if time.time() - left.stat().st_mtime > A_DAY:
            shutil.rmtree(left.parent, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        shape = (len(dataset.photos), *_CROP_SHAPE)
        wide = np.lib.format.open_memmap(scratch / "crops.npy", "w+", np.uint8, shape)
        if hasattr(os, "posix_fallocate"):  # else a disk that fills up later would kill the process
            with open(scratch / "crops.npy", "rb+") as file:
                os.posix_fallocate(file.fileno(), 0, os.path.getsize(scratch / "crops.npy"))
        facts: dict[str, Any] = {"problems": {}, "faces": [], "sizes": [], "detectors": []}
        with ThreadPoolExecutor(cores()) as pool:
            cut = tqdm(pool.map(_cut, dataset.paths()), f"cropping {dataset.name}", len(dataset.photos), unit="photo")
            for i, (crop, *others) in enumerate(cut):
                if isinstance(crop, str):
                    facts["problems"][i] = crop
                else:
                    wide[i] = crop
                for name, fact in zip(("faces", "sizes", "detectors"), others, strict=True):
                    facts[name].append(fact)
        wide.flush()
        (scratch / "facts.json").write_text(json.dumps(facts), "utf-8")
        if not folder.is_dir():  # another run may have been faster
            scratch.rename(folder)
        for other in folder.parent.iterdir():
            if other != folder and other.name.startswith(folder.name.removesuffix(str(CROP_VERSION))):
                shutil.rmtree(other, ignore_errors=True)  # the same photos, cut otherwise by an earlier version
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _cut(path: Path) -> tuple[np.ndarray | str, int, tuple[int, int], str]:
    """Return the wide crop or why there is none, how many faces there are, the photo's size, the face's detector."""
    try:
        photo = open_photo(path)
        faces = find_faces(photo)
        crop = cut_wide_crop(photo, faces[0]) if faces else f"no face was found in {path}."
    except FaceSimError as error:
        return str(error), 0, (0, 0), ""
    return crop, len(faces), photo.size, faces[0].detector if faces else ""
