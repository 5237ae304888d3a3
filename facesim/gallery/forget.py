"""Remove faces from a gallery for good: no file of it holds them afterwards.

The table is written again without them, and all its earlier versions are deleted. That takes time, and as much free
disk as the table, and nobody else can write meanwhile. If a call is interrupted, the next one completes it.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facesim.detector.box import SAME_FACE, overlap
from facesim.errors import FaceSimError
from facesim.gallery.maintenance import overwrite, purge
from facesim.gallery.rows import FaceRow, not_enrolled, rows_in
from facesim.gallery.store import Gallery
from facesim.text import printable


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed from a gallery."""

    face_count: int
    photo_count: int


def forget(gallery: Gallery, name: str) -> Removed:
    """Remove a person: the faces with the name, and the same faces without one, which `embed_locally` has added.

    Raises FaceSimError where nobody has the name.
    """
    name = gallery.spelling_of(name)
    with gallery.exclusive():
        faces = _PersonFaces(gallery.rows(names=[name]))

        def gone(batch: pa.RecordBatch) -> np.ndarray:
            mask, unnamed = _mask(pc.equal(batch["name"], name)), _unnamed(batch)
            mask[unnamed] = [row in faces for row in rows_in(batch.filter(pa.array(unnamed)))]
            return mask

        return _remove(gallery, gone, not_enrolled(gallery.address, name))


def forget_photo(gallery: Gallery, photo: str) -> Removed:
    """Remove all faces of a photo, named or not; raises FaceSimError where the gallery has none of it."""
    path = os.path.abspath(photo)
    with gallery.exclusive():
        return _remove(
            gallery,
            lambda batch: _mask(pc.equal(batch["photo"], os.fsencode(path))),
            f"{printable(gallery.address)} has nothing of {printable(path)}: facesim search prints the photos it has.",
        )


def forget_unnamed(gallery: Gallery) -> Removed:
    """Remove all faces without a name; raises FaceSimError where there is none."""
    with gallery.exclusive():
        return _remove(gallery, _unnamed, f"{printable(gallery.address)} has no faces without a name.")


def forget_all(gallery: Gallery) -> Removed:
    """Remove all that the gallery holds; raises FaceSimError where it is empty."""
    with gallery.exclusive():
        return _remove(
            gallery, lambda batch: np.ones(len(batch), bool), f"{printable(gallery.address)} is empty already."
        )


def _remove(gallery: Gallery, gone: Callable[[pa.RecordBatch], np.ndarray], nothing_found: str) -> Removed:
    """Remove the rows of each batch for which `gone` is true; raises FaceSimError(nothing_found) if there are none."""
    face_count, photos = 0, set()
    for batch in gallery.batches():
        found = batch.filter(pa.array(gone(batch)))
        face_count += found["problem"].null_count
        photos.update(found["photo"].to_pylist())
    if photos:
        kept = (batch.filter(pa.array(~gone(batch))) for batch in gallery.batches())
        overwrite(gallery, gallery.schema, kept)
    purge(gallery)  # even so: an earlier call may have been interrupted
    if not photos:
        raise FaceSimError(nothing_found)
    return Removed(face_count, len(photos))


def _mask(answers: pa.BooleanArray) -> np.ndarray:
    return answers.fill_null(False).to_numpy(False).copy()


def _unnamed(batch: pa.RecordBatch) -> np.ndarray:
    return _mask(pc.and_(batch["name"].is_null(), batch["problem"].is_null()))


class _PersonFaces:
    """A person's faces: `row in faces` if the row shows one of them, on the same photo or on a copy of it."""

    def __init__(self, rows: Iterable[FaceRow]):
        self._embeddings: set[bytes] = set()
        self._by_photo: defaultdict[str, list[FaceRow]] = defaultdict(list)
        for row in rows:
            if row.embedding is not None:
                self._embeddings.add(row.embedding.tobytes())
                self._by_photo[row.photo].append(row)

    def __contains__(self, row: FaceRow) -> bool:
        return (row.embedding is not None and row.embedding.tobytes() in self._embeddings) or any(
            (own.content or own.modified) == (row.content or row.modified)
            and overlap(own.face.box, row.face.box) >= SAME_FACE
            for own in self._by_photo.get(row.photo, ())
        )
