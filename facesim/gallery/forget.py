"""Remove faces from a gallery for good: no file of it holds them any more.

The table is written again without them, and every older version of it deleted: it takes time and, for as long, disk as
its size. Nobody else may write at the same time. Where that was interrupted, the next call ends it, whatever is asked.
"""

import os
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facesim.detector.box import SAME_FACE, overlap
from facesim.gallery.rows import FaceRow, rows_in
from facesim.gallery.store import Gallery, Removed, nobody
from facesim.text import printable


def forget(gallery: Gallery, name: str) -> Removed:
    """Remove a person: the faces with the name, and the same faces without one, which `embed_locally` has added.

    Raises FaceSimError where nobody has the name.
    """
    theirs = _Theirs()
    name = gallery.spelling_of(name)

    def gone(batch: pa.RecordBatch) -> np.ndarray:
        mask = _mask(pc.equal(batch["name"], name))
        nameless = _unnamed(batch)
        mask[nameless] = [row in theirs for row in rows_in(batch.filter(pa.array(nameless)))]
        return mask

    with gallery.alone():
        for row in gallery.rows(name=name):
            theirs.add(row)
        return gallery.remove(gone, nobody(gallery.address, name))


def forget_photo(gallery: Gallery, photo: str) -> Removed:
    """Remove all faces of a photo, of every name and of none; raises FaceSimError where the gallery has none of it."""
    path = os.path.abspath(photo)
    with gallery.alone():
        return gallery.remove(
            lambda batch: _mask(pc.equal(batch["photo"], os.fsencode(path))),
            f"{printable(gallery.address)} has nothing of {printable(path)}: facesim search prints the photos it has.",
        )


def forget_unnamed(gallery: Gallery) -> Removed:
    """Remove all faces without a name; raises FaceSimError where there is none."""
    with gallery.alone():
        return gallery.remove(_unnamed, f"{printable(gallery.address)} has no faces without a name.")


def forget_all(gallery: Gallery) -> Removed:
    """Remove all that the gallery holds; raises FaceSimError where it is empty."""
    with gallery.alone():
        return gallery.remove(
            lambda batch: np.ones(len(batch), bool), f"{printable(gallery.address)} is empty already."
        )


def _mask(answers: pa.BooleanArray) -> np.ndarray:
    return answers.fill_null(False).to_numpy(False).copy()


def _unnamed(batch: pa.RecordBatch) -> np.ndarray:
    return _mask(pc.and_(batch["name"].is_null(), batch["problem"].is_null()))


class _Theirs:
    """A person's faces: `row in theirs` where a face is the same one, of the same photo or of a copy of it."""

    def __init__(self):
        self._embeddings: set[bytes] = set()
        self._by_photo: defaultdict[str, list[FaceRow]] = defaultdict(list)

    def add(self, row: FaceRow) -> None:
        if row.problem is None:
            self._embeddings.add(row.embedding.tobytes())
            self._by_photo[row.photo].append(row)

    def __contains__(self, row: FaceRow) -> bool:
        return row.embedding.tobytes() in self._embeddings or any(
            (own.content or own.modified) == (row.content or row.modified) and overlap(own.box, row.box) >= SAME_FACE
            for own in self._by_photo.get(row.photo, ())
        )
