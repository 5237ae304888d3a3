"""Maintain a gallery's table: measure, compact, index and overwrite it, and purge what it held before."""

import contextlib
import dataclasses
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facesim.errors import FaceSimError
from facesim.gallery.snapshot import Snapshot
from facesim.gallery.store import TABLE, Gallery
from facesim.gallery.tables import EXCLUSIVE, connect, is_remote, locked, translate_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from lancedb.table import LanceTable

STAGED = "remade"  # the table that `reembed` fills before it replaces the gallery's
INDEX_FROM = 50_000  # faces; with fewer, an exact search is as fast (`python benchmarks/gallery.py`)
_GROWTH = 4  # the index is built again, with more partitions, for so many times as many faces
_MAX_FRAGMENTS = 100  # small files that the table may consist of before they are merged; a search is as fast with them
_READING = timedelta(minutes=10)  # how long earlier versions of the table are kept, for those who are reading them


@dataclass(frozen=True, slots=True)
class GalleryStats:
    """What a gallery holds."""

    face_count: int
    named_count: int  # faces with a name
    name_count: int
    without_face: int  # photos
    photo_count: int
    embedding_size: int
    model: str  # fingerprint of the network that made the embeddings
    bytes: int
    indexed: bool  # whether searches use an index instead of comparing all faces

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under the keys that JSON has for them."""
        keys = {"face_count": "faces", "named_count": "named", "name_count": "names", "photo_count": "photos"}
        return {keys.get(field, field): value for field, value in dataclasses.asdict(self).items()}


def gallery_stats(gallery: Gallery | Snapshot) -> GalleryStats:
    """Return what a gallery holds."""
    names, size = gallery.names(), 0
    if isinstance(gallery, Snapshot):
        photos = (row.photo for row in gallery.stored)
        row_count, face_count, indexed = len(gallery.stored), len(gallery.embeddings), False
    else:
        photos = (photo for batch in gallery.batches(["photo"]) for photo in batch["photo"].to_pylist())
        row_count, face_count = gallery.count_rows(), gallery.count_rows("problem IS NULL")
        with translate_errors(gallery.address):
            size = gallery.table.stats()["total_bytes"]  # type: ignore[index]  # declared as a class, and a dict
            indexed = bool(gallery.table.list_indices())
    if not is_remote(gallery.address):
        size = sum(path.stat().st_size for path in Path(gallery.address).rglob("*") if path.is_file())
    return GalleryStats(
        face_count=face_count,
        named_count=sum(names.values()),
        name_count=len(names),
        without_face=row_count - face_count,
        photo_count=np.unique(np.fromiter(map(hash, photos), np.int64)).size,  # a set of all paths may be too large
        embedding_size=gallery.embedding_size,
        model=gallery.fingerprint,
        bytes=size,
        indexed=indexed,
    )


def vacuum(gallery: Gallery) -> None:
    """Merge the fragments that many changes have left, and bring the index up to date.

    Where others are writing, or where it fails, it is left to the next call: without it a search is only slower.
    """
    lock = locked(gallery.address, EXCLUSIVE, patience=0)
    with contextlib.suppress(FaceSimError), lock, translate_errors(gallery.address):
        merge_fragments(gallery)
        _update_index(gallery.table)


def merge_fragments(gallery: Gallery) -> None:
    """Merge the fragments that many writes have left, once there are too many; within `writing`, or in `vacuum`.

    Each version of the table lists all fragments, so a long run that did not merge them would leave lists whose size
    grows with the square of the writes. Others may write meanwhile: if they change what is being merged, their change
    stands, and merging is left to the next call.
    """
    with contextlib.suppress(FaceSimError), translate_errors(gallery.address):
        gallery.table.checkout_latest()
        stats = gallery.table.stats()["fragment_stats"]  # type: ignore[index]  # as above
        if stats["num_small_fragments"] > _MAX_FRAGMENTS:
            gallery.table.optimize(cleanup_older_than=_READING)
            gallery.keep_snapshot()


def overwrite(gallery: Gallery, schema: "pa.Schema", batches: Iterator["pa.RecordBatch"]) -> None:
    """Write the gallery again with these rows only; within `exclusive`, and to be followed by `purge`."""
    import pyarrow as pa

    with translate_errors(gallery.address):
        table = connect(gallery.address).create_table(
            TABLE,
            pa.RecordBatchReader.from_batches(schema, batches),
            schema=schema,
            mode="overwrite",
            on_bad_vectors="null",  # photos without a face have no embedding
        )
        gallery.use_table(table)


def purge(gallery: Gallery) -> None:
    """Delete all earlier versions of the table, and whatever killed processes have left; within `exclusive`."""
    with translate_errors(gallery.address), warnings.catch_warnings(action="ignore"):  # against concurrent writers
        gallery.table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        connect(gallery.address).drop_table(STAGED, ignore_missing=True)
        _update_index(gallery.table)


def _update_index(table: "LanceTable") -> None:
    from lancedb.index import IvfSq

    face_count = table.count_rows("problem IS NULL")
    if face_count < INDEX_FROM:
        return
    indices = {index.name: index.num_unindexed_rows or 0 for index in table.list_indices()}
    partitions = max((int(name.rpartition("_")[2]) for name in indices), default=0)
    if face_count >= _GROWTH * partitions**2:
        partitions = round(face_count**0.5)
        config = IvfSq(distance_type="l2", num_partitions=partitions)
        table.create_index("embedding", config=config, name=f"parts_{partitions}")
        for name in indices:
            table.drop_index(name)
    elif sum(indices.values()) > INDEX_FROM:
        table.optimize()
