"""Find copies: photos that are the same picture, to the byte or re-encoded, resized, recoloured, slightly cropped."""

import functools
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from facesim.data.dataset import Dataset
from facesim.errors import FaceSimError
from facesim.photo import open_photo

# Chosen by looking at pairs of LFW and Pins: up to 36 bits apart all were copies, above 50 most were not; in between,
# copies correlate by 0.90 or more, other photos of similar composition by 0.88 or less.
HASH_SIDE = 16  # the perceptual hash has 16 × 16 bits
HASH_RADIUS = 48  # bits
SAME_CORRELATION = 0.9

_THUMBNAIL = 64  # pixels
_CENTRE = 48  # pixels of it that are searched for in the other photo's thumbnail
_CENTRE_SIZES = range(42, 56, 2)  # that it may have there
_TILE = 2048  # photos compared with as many others at a time


@dataclass(frozen=True, slots=True, order=True)
class Copies:
    """Photos, as indices into their data set, that are the same picture."""

    photos: tuple[int, ...]
    same_bytes: bool


def find_copies(dataset: Dataset, photos: np.ndarray) -> tuple[Copies, ...]:
    """Compare, on all cores, each of `photos`, `(n,)` indices, with all others; a copy of a copy is a copy.

    A photo that cannot be read to its end is not a copy.
    """
    from scipy.cluster.hierarchy import DisjointSet  # what can be refused is refused before

    paths = [dataset.root / dataset.photos[i] for i in photos]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        hashing = pool.map(_hash, paths, chunksize=16)
        hashed = list(tqdm(hashing, f"comparing {dataset.name}", len(paths), unit="photo", disable=None))
    readable = [i for i, found in enumerate(hashed) if found]
    if not readable:
        return ()
    photos, paths = photos[readable], [paths[i] for i in readable]
    digests, hashes = zip(*(hashed[i] for i in readable), strict=True)
    groups = DisjointSet(range(len(paths)))
    first: dict[bytes, int] = {}
    for i, digest in enumerate(digests):
        groups.merge(first.setdefault(digest, i), i)
    for i, j in close_pairs(np.stack(hashes)):
        if not groups.connected(i, j) and same_picture(paths[i], paths[j]):
            groups.merge(i, j)
    return tuple(
        sorted(
            Copies(tuple(sorted(photos[list(group)].tolist())), len({digests[i] for i in group}) == 1)
            for group in groups.subsets()
            if len(group) > 1
        )
    )


def _hash(path: Path) -> tuple[bytes, np.ndarray] | None:
    """Return the SHA-256 of the file and the perceptual hash of the photo, `(256,) bool`; None if it is damaged."""
    import imagehash

    try:
        hashed = imagehash.phash(open_photo(path).view(), HASH_SIDE).hash.ravel()
        return hashlib.sha256(path.read_bytes()).digest(), hashed
    except (FaceSimError, OSError):
        return None


def close_pairs(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the pairs i < j of hashes, `(n, bits) bool`, that differ in `HASH_RADIUS` bits or fewer."""
    signs = hashes.astype(np.int8) * 2 - 1
    least = hashes.shape[1] - 2 * HASH_RADIUS  # a product of two hashes: the bits that agree, less those that differ
    for top in range(0, len(signs), _TILE):
        rows = signs[top : top + _TILE].astype(np.float32)
        for left in range(top, len(signs), _TILE):
            columns = signs[left : left + _TILE].astype(np.float32)
            i, j = np.nonzero(rows @ columns.T >= least)
            i, j = i + top, j + left
            yield from zip(i[i < j].tolist(), j[i < j].tolist(), strict=True)


def same_picture(path1: Path, path2: Path) -> bool:
    """Return whether each photo's centre is found in the other, slightly moved or resized."""
    one, two = _thumbnail(path1), _thumbnail(path2)
    return min(_correlation(one, two), _correlation(two, one)) >= SAME_CORRELATION


@functools.lru_cache(4096)
def _thumbnail(path: Path) -> Image.Image:
    return open_photo(path).view().convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BILINEAR)


def _correlation(one: Image.Image, other: Image.Image) -> float:
    """Return the best normalised cross-correlation of one thumbnail's centre with any part of the other."""
    parts = np.lib.stride_tricks.sliding_window_view(np.asarray(other, np.float32), (_CENTRE, _CENTRE))
    centres = []
    for size in _CENTRE_SIZES:
        edge = (_THUMBNAIL - size) / 2
        box = (edge, edge, _THUMBNAIL - edge, _THUMBNAIL - edge)
        centres.append(np.asarray(one.resize((_CENTRE, _CENTRE), box=box), np.float32))
    return float((_standardised(parts) @ _standardised(np.stack(centres)).T).max() / _CENTRE**2)


def _standardised(pictures: np.ndarray) -> np.ndarray:
    """Turn `(…, 48, 48)` into rows of mean 0 and variance 1, `(n, 2304)`."""
    rows = pictures.reshape(-1, _CENTRE**2)
    rows = rows - rows.mean(1, keepdims=True)
    return rows / (rows.std(1, keepdims=True) + 1e-3)  # plain grey correlates with nothing
