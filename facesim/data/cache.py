"""The crop cache: the face of each photo that a run needs is cut once, and kept on disk for later runs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from facesim.cores import cores
from facesim.data.crop_store import CROP_SHAPE, CropStore, Facts, cache_home
from facesim.data.dataset import Dataset, digest_of
from facesim.detector.crop import cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo


class WideCrops(Protocol):
    """Wide crops `(n, 252, 252, 3) uint8`, read as an array is: `crops[i]`, or `crops[rows]` with `rows` `(m,) int`."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class CachedCrops:
    """The faces of a data set's photos, on disk.

    Of photos that were not asked for nothing is known: they are not usable, and their crops cannot be read. A photo in
    `problems` was asked for and has no face: it is not usable, and its crop is black.
    """

    wide: WideCrops
    problems: dict[int, str]  # photo index: why it has no crop
    face_counts: np.ndarray  # (n,) int, how many faces the photo shows
    sizes: np.ndarray  # (n, 2) int, the photo's width and height in pixels; 0 where it cannot be opened
    detectors: np.ndarray  # (n,) str, which detector found the face, "hog" or "cnn"; "" where there is none

    @property
    def usable(self) -> np.ndarray:
        """Return which photos have a crop, `(n,) bool`."""
        return self.face_counts > 0


def cached_crops(dataset: Dataset, photos: np.ndarray | None = None, home: Path | None = None) -> CachedCrops:
    """Cut the largest face out of each of `photos`, `(m,) int`, by default all, or read what an earlier call has cut.

    A photo that cannot be opened or shows no face is listed in `problems`. A photo is known by its content: another
    data set that holds it, under whatever name, shares its crop. `home` is the crops' folder, instead of the user's.

    Raises FaceSimError if the disk has no room, or if no photo shows a face.
    """
    paths, store = dataset.paths(), CropStore(home or cache_home())
    count = len(paths)
    asked = range(count) if photos is None else np.unique(photos).tolist()
    with ThreadPoolExecutor(cores()) as pool:
        digests = dict(zip(asked, pool.map(digest_of, [paths[i] for i in asked]), strict=True))
    found: dict[int, Facts | str] = {i: facts for i in asked if (facts := store.find(digests[i]))}
    missing = [i for i in asked if i not in found]
    if missing:
        store.make_room(len(missing), set(digests.values()))
        with ThreadPoolExecutor(cores()) as pool:
            try:
                cut = pool.map(lambda i: _facts_of(paths[i], digests[i], store), missing)
                bar = tqdm(cut, f"cropping {dataset.name}", len(missing), unit="photo", disable=None)
                found |= zip(missing, bar, strict=True)
            finally:
                pool.shutdown(cancel_futures=True)
    faces, sizes, detectors = np.zeros(count, int), np.zeros((count, 2), int), np.full(count, "", "<U8")
    problems: dict[int, str] = {}
    for i in asked:
        result = found[i]
        if isinstance(result, str):
            problems[i] = result
            continue
        faces[i], sizes[i], detectors[i] = result.face_count, result.size, result.detector
        if not result.face_count:
            problems[i] = f"no face was found in {paths[i]}."
    if found and len(problems) == len(found):
        raise FaceSimError(f"{dataset.name}: no face was found in any of the {len(found)} photos that were looked at.")
    return CachedCrops(_StoredCrops(store, paths, digests, set(problems)), problems, faces, sizes, detectors)


class _StoredCrops:
    """The wide crops of `paths`, one a photo, read from the store; those of the photos in `black` are black.

    `digests` holds the SHA-256 of each photo that was asked for.
    """

    def __init__(self, store: CropStore, paths: list[Path], digests: dict[int, bytes], black: set[int]):
        self._store, self._paths, self._digests, self._black = store, paths, digests, black

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        rows = np.asarray(rows)
        crops = np.empty((rows.size, *CROP_SHAPE), np.uint8)
        for crop, photo in zip(crops, rows.ravel().tolist(), strict=True):
            self._read(photo, crop)
        return crops.reshape(*rows.shape, *CROP_SHAPE)

    def _read(self, photo: int, crop: np.ndarray) -> None:
        digest = self._digests[photo]
        if photo in self._black:
            crop[:] = 0
        elif not self._store.read(digest, crop):  # deleted since: by another run that needed room, or by the user
            _, again = _cut(self._paths[photo], digest, self._store)
            crop[:] = 0 if again is None else again


def _facts_of(path: Path, digest: bytes, store: CropStore) -> Facts | str:
    """Cut a photo's face; return what was found, or why the photo cannot be opened."""
    try:
        return _cut(path, digest, store)[0]
    except FaceSimError as error:
        return str(error)  # not kept: an extra may be missing, or a permission


def _cut(path: Path, digest: bytes, store: CropStore) -> tuple[Facts, np.ndarray | None]:
    """Find a photo's faces, and keep what was found and the wide crop of the largest, if there is one.

    Raises FaceSimError if it cannot be opened, or is no longer the photo with this SHA-256.
    """
    photo = open_photo(path)
    faces = find_faces(photo)
    crop = cut_wide_crop(photo, faces[0]) if faces else None
    facts = Facts(len(faces), photo.size, faces[0].detector if faces else "")
    if digest_of(path) != digest:
        raise FaceSimError(f"{path} was changed while it was in use: start again.")
    store.add(digest, facts, crop)
    return facts, crop
