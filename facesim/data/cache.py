"""The crop cache: every face of a data set, cut once, kept on disk for every later run."""

import json
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
from tqdm import tqdm

from facesim.data.dataset import Dataset
from facesim.errors import FaceSimError
from facesim.face import WIDE_CROP_SIZE, cut_wide_crop, find_faces
from facesim.photo import open_photo

CROP_VERSION = 1  # raised whenever the same photo would be cut otherwise
_CROP_SHAPE = (WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3)


@dataclass(frozen=True, slots=True)
class CachedCrops:
    """A data set's faces: `wide` is `(n, 252, 252, 3) uint8` on disk, black where `problems` names a reason."""

    wide: np.ndarray
    problems: dict[int, str]  # photo index: why it has no crop
    fingerprint: str  # of the data set

    @property
    def usable(self) -> np.ndarray:
        """Return which photos have a crop, `(n,) bool`."""
        usable = np.ones(len(self.wide), bool)
        usable[list(self.problems)] = False
        return usable


def cache_home() -> Path:
    return Path(pooch.os_cache("facesim")) / "crops"


def cached_crops(dataset: Dataset, home: Path | None = None, processes: int | None = None) -> CachedCrops:
    """Cut the largest face out of every photo, in all processes, or read what an earlier call has cut.

    A photo that cannot be opened or shows no face is listed in `problems`, never fatal.

    Raises FaceSimError when the disk has no room, or when no photo gave a face.
    """
    fingerprint = dataset.fingerprint()
    folder = (home or cache_home()) / f"{dataset.name}-{fingerprint[:16]}-{CROP_VERSION}"
    if not folder.is_dir():
        _fill(folder, dataset, processes)
    problems = {int(i): reason for i, reason in json.loads((folder / "problems.json").read_text("utf-8")).items()}
    if len(problems) == len(dataset.photos):
        raise FaceSimError(f"{dataset.root}: no face was found in any of its {len(problems)} photos.")
    return CachedCrops(np.load(folder / "crops.npy", mmap_mode="r"), problems, fingerprint)


def _fill(folder: Path, dataset: Dataset, processes: int | None) -> None:
    """Write the cache beside `folder` and rename it there once it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    needed = len(dataset.photos) * int(np.prod(_CROP_SHAPE))
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise FaceSimError(f"{folder.parent} has {free / 1e9:.1f} GB free: the crops need {needed / 1e9:.1f} GB.")
    scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        shape = (len(dataset.photos), *_CROP_SHAPE)
        wide = np.lib.format.open_memmap(scratch / "crops.npy", "w+", np.uint8, shape)
        problems = {}
        with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
            cut = pool.map(_cut, dataset.paths(), chunksize=16)
            for i, crop in enumerate(tqdm(cut, f"cropping {dataset.name}", len(dataset.photos), unit="photo")):
                if isinstance(crop, str):
                    problems[i] = crop
                else:
                    wide[i] = crop
        wide.flush()
        (scratch / "problems.json").write_text(json.dumps(problems), "utf-8")
        scratch.rename(folder)
        for other in folder.parent.iterdir():
            if other != folder and other.name.startswith(folder.name.removesuffix(str(CROP_VERSION))):
                shutil.rmtree(other, ignore_errors=True)  # the same photos, cut otherwise by an earlier version
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _cut(path: Path) -> np.ndarray | str:
    try:
        photo = open_photo(path)
    except FaceSimError as error:
        return str(error)
    boxes = find_faces(photo)
    return cut_wide_crop(photo, boxes[0]) if boxes else f"no face was found in {path}."
