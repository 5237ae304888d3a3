"""Read a gallery: from its snapshot where there is a current one, which takes milliseconds; else from its table."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from facesim.errors import FaceSimError
from facesim.gallery import tables
from facesim.gallery.maintenance import GalleryStats, gallery_stats
from facesim.gallery.rows import FaceRow, Match, check_model
from facesim.gallery.snapshot import Snapshot, read_snapshot, table_version
from facesim.gallery.store import TABLE, Gallery, check_folder_is_free, open_gallery

if TYPE_CHECKING:
    from facesim.model import Model


def is_gallery(address: str) -> bool:
    """Return whether there is a gallery in a folder or at an address."""
    if not tables.is_remote(address) and table_version(_table(address)):
        return True
    return tables.open_table(address, TABLE) is not None


def check_gallery(address: str) -> None:
    """Raise FaceSimError where a folder is no gallery; for use before the work, as it takes no time."""
    if not tables.is_remote(address) and not os.path.isdir(_table(address)):
        open_gallery(address)  # it says so


def check_new_gallery(address: str) -> None:
    """Raise FaceSimError where a folder is no gallery, and none can be made there; for use before the work."""
    if not tables.is_remote(address) and not os.path.isdir(_table(address)):
        check_folder_is_free(address)


def snapshot_of(address: str) -> Snapshot | None:
    """Return the snapshot of the gallery at an address; None where there is none, or the gallery has changed since."""
    return None if tables.is_remote(address) else read_snapshot(address, _table(address))


class GalleryReader:
    """A gallery in a folder or at an address, open to read: each call shows what it holds then."""

    def __init__(self, address: str, model: "Model | None" = None):
        """Open it; raises FaceSimError as `open_gallery` does."""
        self.address, self._model = address, model
        self._source = self._open()

    def _open(self) -> Snapshot | Gallery:
        snapshot = snapshot_of(self.address)
        if snapshot:
            check_model(self.address, snapshot.fingerprint, self._model)
            return snapshot
        gallery = open_gallery(self.address, self._model)
        with contextlib.suppress(FaceSimError), tables.locked(self.address, tables.SHARED, patience=0):
            gallery.keep_snapshot()
        return gallery

    def _current(self) -> Snapshot | Gallery:
        if isinstance(self._source, Snapshot) and self._source.version != table_version(_table(self.address)):
            self._source = self._open()
        return self._source

    @property
    def version(self) -> object:
        """Return which version of the gallery the last call has seen; each change of the gallery makes another."""
        return self._source.version

    def names(self) -> dict[str, int]:
        """Return who is enrolled, and with how many faces each, in order of their names."""
        return self._current().names()

    def photos_of_people(self) -> dict[str, set[str]]:
        """Return the photos of each person who is enrolled, by their names."""
        return self._current().photos_of_people()

    def count_named(self) -> int:
        """Return how many faces have a name."""
        return self._current().count_named()

    def nearest(self, embedding: np.ndarray, k: int, named: bool = False) -> list[Match]:
        """Return the nearest faces, as `Gallery.nearest` does."""
        return self._current().nearest(embedding, k, named)

    def rows(self, faces_only: bool = False, names: Sequence[str] = ()) -> Iterator[FaceRow]:
        """Yield all rows, or those with a face, or of some names, in no particular order."""
        return self._current().rows(faces_only, names)

    def stats(self) -> GalleryStats:
        """Return what the gallery holds, in numbers."""
        return gallery_stats(self._current())


def _table(address: str) -> str:
    return f"{tables.uri(address)}/{TABLE}.lance"
