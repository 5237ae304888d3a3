"""The gallery's store: a LanceDB table of faces in a folder, or at an object store's address."""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from facesim.detector.box import Box
from facesim.errors import FaceSimError
from facesim.files import check_folder
from facesim.gallery.known import KnownPhotos, Version
from facesim.gallery.rows import (
    BOX,
    FaceRow,
    Match,
    check_name,
    fingerprint_in,
    gallery_schema,
    missing_columns,
    rows_in,
    rows_table,
)
from facesim.gallery.tables import (
    ALONE,
    LOCK,
    SHARED,
    connect,
    is_remote,
    locked,
    open_table,
    place,
    quoted,
    sentences,
)
from facesim.model import Model
from facesim.names import Spellings
from facesim.text import printable

TABLE, REMADE = "faces", "remade"  # the gallery, and what is to take its place

# `python benchmarks/gallery.py` prints what these bring.
INDEX_FROM = 50_000  # faces; with fewer, going through all of them is as fast
PROBES = 300  # parts of the index that are looked into
CANDIDATES = 10  # for each face asked for: the index keeps a byte per number, and the best are measured exactly
_GROWN = 4  # times as many faces as the index was made for, and it is made anew, of more parts
_AT_ONCE = 500  # photos that one statement names
_MANY_PIECES = 20  # files that the table may be in before they are made one


@dataclass(frozen=True, slots=True)
class Removed:
    """How much was removed from a gallery."""

    faces: int
    photos: int


@dataclass(frozen=True, slots=True)
class GalleryStats:
    """What a gallery holds."""

    faces: int
    named: int  # faces of which it is known who they are
    names: int
    without_face: int  # photos
    photos: int
    embedding_size: int
    model: str  # fingerprint of the network that made the embeddings
    bytes: int
    indexed: bool  # whether an index spares a search to go through all faces


def is_gallery(address: str) -> bool:
    """Return whether there is a gallery in a folder or at an address."""
    return open_table(address, TABLE) is not None


def open_gallery(address: str, model: Model | None = None) -> "Gallery":
    """Open the gallery in a folder, or at an address such as s3://bucket/gallery.

    Raises FaceSimError where there is none, where it is damaged, or where `model` is not the one that made it.
    """
    table = open_table(address, TABLE)
    if table is None:
        raise FaceSimError(f"{printable(address)} is not a gallery: make one with facesim enrol or facesim embed.")
    return Gallery(address, table, model)


def open_or_create_gallery(address: str, model: Model) -> "Gallery":
    """Open the gallery at an address, or make an empty one there, for the embeddings of `model`.

    Raises FaceSimError as `open_gallery` does, and where the folder holds other files or cannot be written.
    """
    table = open_table(address, TABLE)
    if table is None:
        if not is_remote(address):
            folder = Path(address)
            check_folder(folder)
            ours = {LOCK, f"{TABLE}.lance"}  # by a process that makes it just now, or was killed as it did
            if folder.is_dir() and {path.name for path in folder.iterdir()} - ours:
                raise FaceSimError(f"{printable(address)} holds other files, and is no gallery: name a new folder.")
            folder.mkdir(parents=True, exist_ok=True)
        with locked(address, ALONE), sentences(address):
            table = open_table(address, TABLE)
            if table is None:  # nobody else has made it meanwhile
                schema = gallery_schema(model.embedding_size, model.fingerprint)
                table = connect(address).create_table(TABLE, schema=schema)
    return Gallery(address, table, model)


def nobody(address: str, name: str) -> str:
    """Say that nobody in a gallery has a name."""
    return f"nobody in {printable(address)} is called {name}: facesim list says who is."


class Gallery:
    """A gallery, opened by `open_gallery` or `open_or_create_gallery`; each change is whole on disk or not at all."""

    def __init__(self, address: str, table, model: Model | None = None):
        self.address = address
        self._table = table
        self._seen = -1  # the version of the table that `_has_unnamed` and the fingerprint are of
        self._has_unnamed = False
        self.schema = table.schema
        self.fingerprint = fingerprint_in(self.schema, address)
        self.embedding_size = self.schema.field("embedding").type.list_size
        if model is not None and self.fingerprint != model.fingerprint:
            raise FaceSimError(
                f"{printable(address)} was made by another model ({self.fingerprint[:12]}) than {model.path} "
                f"({model.fingerprint[:12]}): give that one by -w, or remake the gallery with facesim reembed."
            )

    @property
    def uri(self) -> str:
        """Return where the table itself lies."""
        return f"{place(self.address).rstrip('/')}/{TABLE}.lance"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Add rows in this context, beside other processes that do so; raises FaceSimError where one works alone."""
        self._widen()
        with locked(self.address, SHARED):
            self._look_again()
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have no other process write in this context; at an object store's address there is no such promise."""
        self._widen()
        with locked(self.address, ALONE):
            self._look_again()
            yield

    def _widen(self) -> None:
        """Add the columns that a gallery made by an earlier facesim lacks."""
        if missing_columns(self.schema):
            with locked(self.address, ALONE), sentences(self.address):
                self._table.checkout_latest()
                if missing := missing_columns(self._table.schema):  # nobody else has done it meanwhile
                    self._table.add_columns(missing)
                self.schema = self._table.schema

    def add(self, rows: Sequence[FaceRow]) -> None:
        """Add rows, all or none; within `writing`."""
        if rows:
            with sentences(self.address):
                self._table.add(rows_table(rows, self.schema))

    def replace(self, photos: Iterable[tuple[str, str | None]], rows: Sequence[FaceRow]) -> None:
        """Remove what the gallery has of photos, each under a name or without one, then add rows; within `writing`.

        A process that is killed in between leaves photos that the gallery does not have, which the next run adds.
        """
        by_name: dict[str | None, list[str]] = {}
        for photo, name in photos:
            by_name.setdefault(name, []).append(f"X'{os.fsencode(photo).hex()}'")
        with sentences(self.address):
            for name, theirs in by_name.items():
                whose = "name IS NULL" if name is None else f"name = {quoted(name)}"
                for start in range(0, len(theirs), _AT_ONCE):
                    chosen = ", ".join(theirs[start : start + _AT_ONCE])
                    self._table.delete(f"photo IN ({chosen}) AND {whose}")
        self.add(rows)

    def note_versions(self, photos: Sequence[tuple[str, Version, bytes]]) -> None:
        """Keep of photos with a content that is there already which version of theirs has it now."""
        if not photos:
            return
        kinds = {"photo": pa.binary(), "content": pa.binary()} | dict.fromkeys(Version._fields, pa.int64())
        rows = {(os.fsencode(path), content, *version) for path, version, content in photos}
        with self.writing(), sentences(self.address):
            seen = pa.table([*map(list, zip(*rows, strict=True))], pa.schema(kinds.items()))
            self._table.merge_insert(["photo", "content"]).when_matched_update_all().execute(seen)

    def nearest(self, embedding: np.ndarray, k: int, named: bool = False) -> list[Match]:
        """Return the `k` faces nearest to an embedding, `(d,) float32`, the nearest first; only those with a name.

        Exact up to `INDEX_FROM` faces, by an index beyond.

        Raises FaceSimError where the gallery is damaged, or has been made again with another model meanwhile.
        """
        try:
            found = self._search(embedding, k, named)
        except FaceSimError:  # the files that it was about to read may be gone: somebody has been forgotten
            self._seen = -1
            found = self._search(embedding, k, named)
        return [
            Match(
                row["name"],
                max(0.0, row["_distance"]) ** 0.5,
                os.fsdecode(row["photo"]),
                Box(*(row[edge] for edge in BOX)),
            )
            for row in found
        ]

    def _search(self, embedding: np.ndarray, k: int, named: bool) -> list[dict]:
        with sentences(self.address):
            if self._table.version != self._seen:
                self._look_again()
            query = self._table.search(embedding, vector_column_name="embedding").distance_type("l2").limit(k)
            query = query.nprobes(PROBES).refine_factor(CANDIDATES)
            query = query.select(["name", "photo", *BOX, "_distance"])
            if named and self._has_unnamed:
                query = query.where("name IS NOT NULL", prefilter=True)
            return query.to_arrow().to_pylist()

    def _look_again(self) -> None:
        """Take in what other processes have changed."""
        with sentences(self.address):
            self._table.checkout_latest()
            self._seen = self._table.version
            self._has_unnamed = bool(self._table.count_rows("name IS NULL AND problem IS NULL"))
            fingerprint = fingerprint_in(self._table.schema, self.address)
        if fingerprint != self.fingerprint:
            raise FaceSimError(f"{printable(self.address)} was made again with another model meanwhile: start again.")

    def count_rows(self) -> int:
        """Return how many faces there are, and photos without one."""
        return self._count()

    def count_named(self) -> int:
        """Return how many faces have a name."""
        return self._count("name IS NOT NULL")

    def _count(self, where: str | None = None) -> int:
        with sentences(self.address):
            return self._table.count_rows(where)

    def names(self) -> dict[str, int]:
        """Return who is enrolled, and with how many faces each, in order."""
        counts: dict[str, int] = {}
        for batch in self._batches(["name"], "name IS NOT NULL"):
            for count in batch["name"].value_counts().to_pylist():
                counts[count["values"]] = counts.get(count["values"], 0) + count["counts"]
        return dict(sorted(counts.items()))

    def known_photos(self) -> KnownPhotos:
        """Return which photos are there, and as of which change."""
        return KnownPhotos((photo, name is not None, *known) for photo, name, *known in self._notes())

    def named_photos(self, photos: Iterable[str]) -> dict[str, dict[str, list[tuple[Version, bytes | None]]]]:
        """Return under which names some photos are there, and as of which changes; those without a name left out."""
        asked = {os.fsencode(photo): {} for photo in photos}
        for photo, name, *known in self._notes("name IS NOT NULL"):
            if photo in asked:
                asked[photo].setdefault(name, []).append(tuple(known))
        return {os.fsdecode(photo): names for photo, names in asked.items() if names}

    def _notes(self, where: str | None = None) -> Iterator[tuple[bytes, str | None, Version, bytes | None]]:
        columns = [name for name in ("photo", "name", *Version._fields, "content") if name in self._table.schema.names]
        for batch in self._batches(columns, where):
            for row in batch.to_pylist():
                version = Version(*(row.get(field) for field in Version._fields))
                yield row["photo"], row["name"], version, row.get("content")

    def rows(self, faces_only: bool = False, name: str | None = None) -> Iterator[FaceRow]:
        """Yield all rows, or those with a face, or of a name, in no particular order."""
        where = ["problem IS NULL"] * faces_only + ([] if name is None else [f"name = {quoted(name)}"])
        for batch in self._batches(where=" AND ".join(where)):
            yield from rows_in(batch)

    def _batches(self, columns: list[str] | None = None, where: str | None = None) -> Iterator[pa.RecordBatch]:
        with sentences(self.address):
            self._table.checkout_latest()
            query = self._table.search()
            if columns:
                query = query.select(columns)
            if where:
                query = query.where(where)
            yield from query.to_batches(batch_size=4096)

    def stats(self) -> GalleryStats:
        """Return what the gallery holds."""
        names, without_face = self.names(), self._count("problem IS NOT NULL")
        with sentences(self.address):
            size = self._table.stats()["total_bytes"]
            indexed = bool(self._table.list_indices())
        if not is_remote(self.address):
            size = sum(path.stat().st_size for path in Path(self.address).rglob("*") if path.is_file())
        return GalleryStats(
            faces=self.count_rows() - without_face,
            named=sum(names.values()),
            names=len(names),
            without_face=without_face,
            photos=len({photo for batch in self._batches(["photo"]) for photo in batch["photo"].to_pylist()}),
            embedding_size=self.embedding_size,
            model=self.fingerprint,
            bytes=size,
            indexed=indexed,
        )

    def spelling_of(self, name: str) -> str:
        """Return how the gallery spells a name; as given where it has none of its spellings, or this one, too."""
        name, names = check_name(name), self.names()
        return name if name in names else Spellings(names).first(name)

    def rename(self, name: str, new_name: str, merge: bool = False) -> int:
        """Give a person another name; return how many faces that changed.

        Raises FaceSimError where nobody has the name, or somebody has the new one already and they are not to `merge`.
        """
        new_name = check_name(new_name)
        with self.writing():
            name, other = self.spelling_of(name), self.spelling_of(new_name)
            if not self._count(f"name = {quoted(name)}"):
                raise FaceSimError(nobody(self.address, name))
            if other != name and self._count(f"name = {quoted(other)}"):
                if not merge:
                    raise FaceSimError(
                        f"{other} is in {printable(self.address)} already: --merge makes them one person."
                    )
                new_name = other
            with sentences(self.address):
                return self._table.update(where=f"name = {quoted(name)}", values={"name": new_name}).rows_updated

    def remove(self, gone: Callable[[pa.RecordBatch], np.ndarray], nothing: str) -> Removed:
        """Remove rows from every file of the gallery: of a batch, those where `gone` is true; within `alone`.

        Raises FaceSimError, saying `nothing`, where there are none.
        """
        faces, photos = 0, set()
        for batch in self._batches():
            found = batch.filter(pa.array(gone(batch)))
            faces += found["problem"].null_count
            photos.update(found["photo"].to_pylist())
        if photos:
            kept = (batch.filter(pa.array(~gone(batch))) for batch in self._batches())
            self._overwrite(self.schema, kept)
        self.clean()  # even so: an earlier call may have been interrupted
        if not photos:
            raise FaceSimError(nothing)
        return Removed(faces, len(photos))

    def remade_by(self, model: Model, anew: bool = False) -> "Gallery":
        """Open the gallery that is to take this one's place, as far as it has come, or `anew`; within `alone`."""
        table = None if anew else open_table(self.address, REMADE)
        with sentences(self.address):
            if table is None or fingerprint_in(table.schema, self.address) != model.fingerprint:
                schema = gallery_schema(model.embedding_size, model.fingerprint)
                table = connect(self.address).create_table(REMADE, schema=schema, mode="overwrite")
        return Gallery(self.address, table, model)

    def become(self, other: "Gallery") -> None:
        """Take over all rows of another gallery, and its model, and leave nothing of the own ones; within `alone`."""
        self._overwrite(other.schema, other._batches())
        self.fingerprint, self.embedding_size = other.fingerprint, other.embedding_size
        self.clean()

    def _overwrite(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        with sentences(self.address):
            self._table = connect(self.address).create_table(
                TABLE,
                pa.RecordBatchReader.from_batches(schema, batches),
                schema=schema,
                mode="overwrite",
                on_bad_vectors="null",  # photos without a face have none
            )
            self.schema = self._table.schema

    def clean(self) -> None:
        """Delete all that the table has been, and that a killed process has left; within `alone`."""
        with sentences(self.address), warnings.catch_warnings(action="ignore"):  # that nobody else may be at it
            self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
            connect(self.address).drop_table(REMADE, ignore_missing=True)
            self._tidy_index()

    def tidy(self) -> None:
        """Join the pieces that many changes have left, and bring the index up to date.

        It is left to the next call where others are writing, or where it fails: without it a search is only slower.
        """
        alone = locked(self.address, ALONE, patience=0)
        with contextlib.suppress(FaceSimError), alone, sentences(self.address):
            self._table.checkout_latest()
            if self._table.stats()["fragment_stats"]["num_fragments"] > _MANY_PIECES:
                self._table.optimize()
            self._tidy_index()

    def _tidy_index(self) -> None:
        faces = self._table.count_rows("problem IS NULL")
        if faces < INDEX_FROM:
            return
        indices = {index.name: index.num_unindexed_rows for index in self._table.list_indices()}
        parts = max((int(name.rpartition("_")[2]) for name in indices), default=0)
        if faces >= _GROWN * parts**2:
            parts = round(faces**0.5)
            from lancedb.index import IvfSq  # not before `tables` has quietened LanceDB

            config = IvfSq(distance_type="l2", num_partitions=parts)
            self._table.create_index("embedding", config=config, name=f"parts_{parts}")
            for name in indices:
                self._table.drop_index(name)
        elif sum(indices.values()) > INDEX_FROM:
            self._table.optimize()
