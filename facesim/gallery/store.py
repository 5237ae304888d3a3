"""The gallery's store: a LanceDB table of faces in a folder, or at an object store's address."""

import contextlib
import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import portalocker
import pyarrow as pa

os.environ.setdefault("LANCE_LOG", "error")  # what it would warn of is nothing that a user can mend

import lancedb
from lancedb.index import IvfSq

from facesim.errors import FaceSimError
from facesim.face import Box
from facesim.files import check_folder, printable
from facesim.model import Model

FORMAT_VERSION = "1"
TABLE, REMADE = "faces", "remade"  # the gallery, and what is to take its place
LOCK = ".facesim-lock"
LONGEST_NAME = 200  # characters
_NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")  # control characters, line breaks, and bytes that are no text
PATIENCE = 30  # seconds that one process waits for another's work on the same gallery

# `python benchmarks/gallery.py` prints what these bring.
INDEX_FROM = 50_000  # faces; with fewer, going through all of them is as fast
PROBES = 300  # parts of the index that are looked into
CANDIDATES = 10  # for each face asked for: the index keeps a byte per number, and the best are measured exactly
_MANY_PIECES = 20  # files that the table may be in before they are made one

_BOX = Box._fields
_FORMAT, _FINGERPRINT = b"facesim.gallery", b"facesim.model"


class FaceRow(NamedTuple):
    """A face as the gallery keeps it; without an embedding, a photo in which there is none to keep."""

    photo: str
    modified: int  # nanoseconds since 1970, of the photo's last change
    name: str | None = None
    embedding: np.ndarray | None = None  # (d,) float32, of unit length
    box: Box | None = None
    angle: int = 0
    problem: str | None = None  # why there is no embedding


@dataclass(frozen=True, slots=True)
class Match:
    """A face of the gallery and its distance from the one asked about."""

    name: str | None  # None: nobody has said who it is
    distance: float
    photo: str
    box: Box


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


def check_name(name: str) -> str:
    """Return a person's name as the gallery keeps it; raises FaceSimError where it is none."""
    kept = unicodedata.normalize("NFC", name).strip()
    if not kept or len(kept) > LONGEST_NAME or any(unicodedata.category(letter) in _NO_LETTERS for letter in kept):
        shown = printable(name)[:50]
        raise FaceSimError(f"{shown!r} cannot be a name: give one line of text, of 1 to {LONGEST_NAME} characters.")
    return kept


class KnownPhotos:
    """Which photos a gallery has, and as of which change: 16 bytes of memory for each.

    It keeps 64 bits of their digests: of 100 million photos, one is mistaken for another once in 2,000 times.
    """

    def __init__(self, rows: Iterable[tuple[bytes, int, str | None]]):
        digests = ((_digest(photo, name), _digest(photo, name, modified)) for photo, modified, name in rows)
        self._photos, self._versions = np.sort(np.fromiter(digests, np.dtype((np.uint64, 2))).T)

    def has(self, photo: str, modified: int, name: str | None = None) -> bool:
        """Return whether the photo is there as it is now."""
        return _is_in(self._versions, _digest(os.fsencode(photo), name, modified))

    def has_older(self, photo: str, modified: int, name: str | None = None) -> bool:
        """Return whether the photo is there, but only as it was before it changed."""
        return _is_in(self._photos, _digest(os.fsencode(photo), name)) and not self.has(photo, modified, name)


def _digest(photo: bytes, name: str | None, modified: int | None = None) -> int:
    text = b"\0".join((photo, (name or "").encode(), str(modified).encode()))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def _is_in(ascending: np.ndarray, number: int) -> bool:
    place = np.searchsorted(ascending, np.uint64(number))
    return place < len(ascending) and int(ascending[place]) == number


def is_gallery(address: str) -> bool:
    """Return whether there is a gallery in a folder or at an address."""
    return _open_table(address, TABLE) is not None


def open_gallery(address: str, model: Model | None = None) -> "Gallery":
    """Open the gallery in a folder, or at an address such as s3://bucket/gallery.

    Raises FaceSimError where there is none, where it is damaged, or where `model` is not the one that made it.
    """
    table = _open_table(address, TABLE)
    if table is None:
        raise FaceSimError(f"{printable(address)} is not a gallery: make one with facesim enrol or facesim embed.")
    return Gallery(address, table, model)


def open_or_create_gallery(address: str, model: Model) -> "Gallery":
    """Open the gallery at an address, or make an empty one there, for the embeddings of `model`.

    Raises FaceSimError as `open_gallery` does, and where the folder holds other files or cannot be written.
    """
    table = _open_table(address, TABLE)
    if table is None:
        if not _is_remote(address):
            folder = Path(address)
            check_folder(folder)
            if folder.is_dir() and {path.name for path in folder.iterdir()} - {LOCK}:
                raise FaceSimError(f"{printable(address)} holds other files, and is no gallery: name a new folder.")
            folder.mkdir(parents=True, exist_ok=True)
        with _locked(address, portalocker.LOCK_EX), _sentences(address):
            schema = gallery_schema(model.embedding_size, model.fingerprint)
            table = _connect(address).create_table(TABLE, schema=schema, exist_ok=True)
    return Gallery(address, table, model)


def gallery_schema(embedding_size: int, fingerprint: str) -> pa.Schema:
    """Return the columns of a gallery."""
    return pa.schema(
        [
            pa.field("embedding", pa.list_(pa.float32(), embedding_size)),
            pa.field("name", pa.string()),
            pa.field("photo", pa.binary()),  # as the file system has it, which may be no text
            pa.field("modified", pa.int64()),
            *(pa.field(edge, pa.int32()) for edge in _BOX),
            pa.field("angle", pa.int32()),
            pa.field("problem", pa.string()),
        ],
        metadata={_FORMAT: FORMAT_VERSION, _FINGERPRINT: fingerprint},
    )


def rows_table(rows: Sequence[FaceRow], schema: pa.Schema) -> pa.Table:
    """Lay rows out in the columns of a gallery."""
    boxes = zip(*(row.box or (None,) * len(_BOX) for row in rows), strict=True) if rows else [()] * len(_BOX)
    return pa.Table.from_pydict(
        {
            "embedding": [row.embedding for row in rows],
            "name": [row.name for row in rows],
            "photo": [os.fsencode(row.photo) for row in rows],
            "modified": [row.modified for row in rows],
            **dict(zip(_BOX, boxes, strict=True)),
            "angle": [row.angle for row in rows],
            "problem": [row.problem for row in rows],
        },
        schema,
    )


class Gallery:
    """A gallery, opened by `open_gallery` or `open_or_create_gallery`; each change is whole on disk or not at all."""

    def __init__(self, address: str, table, model: Model | None = None):
        self.address = address
        self._table = table
        self._mixed: tuple[int, bool] = (-1, False)  # at which version of the table, whether some faces have no name
        self.schema = table.schema
        self.fingerprint = _check_schema(address, self.schema)
        self.embedding_size = self.schema.field("embedding").type.list_size
        if model is not None and self.fingerprint != model.fingerprint:
            raise FaceSimError(
                f"{printable(address)} was made by another model ({self.fingerprint[:12]}) than {model.path} "
                f"({model.fingerprint[:12]}): give that one by -w, or remake the gallery with facesim reembed."
            )

    @property
    def uri(self) -> str:
        """Return where the table itself lies."""
        return f"{self.address.rstrip('/')}/{TABLE}.lance"

    def add(self, rows: Sequence[FaceRow]) -> None:
        """Add rows, all or none; within `writing`."""
        if rows:
            with _sentences(self.address):
                self._table.add(rows_table(rows, self.schema))

    def remove_older(self, photo: str, modified: int, name: str | None = None) -> None:
        """Remove what the gallery has of a photo, under a name, as it was before its last change; within `writing`."""
        whose = "name IS NULL" if name is None else f"name = {_quoted(name)}"
        with _sentences(self.address):
            self._table.delete(f"photo = X'{os.fsencode(photo).hex()}' AND {whose} AND modified != {modified}")

    def nearest(self, embedding: np.ndarray, k: int, named: bool = False) -> list[Match]:
        """Return the `k` faces nearest to an embedding, `(d,) float32`, the nearest first; only those with a name.

        Exact up to `INDEX_FROM` faces, by an index beyond.
        """
        with _sentences(self.address):
            query = self._table.search(embedding, vector_column_name="embedding").distance_type("l2").limit(k)
            query = query.nprobes(PROBES).refine_factor(CANDIDATES)
            query = query.select(["name", "photo", *_BOX, "_distance"])
            if named and self._has_unnamed():
                query = query.where("name IS NOT NULL", prefilter=True)
            found = query.to_arrow().to_pylist()
        return [
            Match(
                row["name"],
                max(0.0, row["_distance"]) ** 0.5,
                os.fsdecode(row["photo"]),
                Box(*(row[edge] for edge in _BOX)),
            )
            for row in found
        ]

    def _has_unnamed(self) -> bool:
        version = self._table.version
        if self._mixed[0] != version:
            self._mixed = version, bool(self._table.count_rows("name IS NULL AND problem IS NULL"))
        return self._mixed[1]

    def count_rows(self) -> int:
        """Return how many faces there are, and photos without one."""
        with _sentences(self.address):
            return self._table.count_rows()

    def count_named(self) -> int:
        """Return how many faces have a name."""
        with _sentences(self.address):
            return self._table.count_rows("name IS NOT NULL")

    def names(self) -> dict[str, int]:
        """Return who is enrolled, and with how many faces each, in order."""
        counts: dict[str, int] = {}
        for batch in self._batches(["name"], "name IS NOT NULL"):
            for count in batch["name"].value_counts().to_pylist():
                counts[count["values"]] = counts.get(count["values"], 0) + count["counts"]
        return dict(sorted(counts.items()))

    def known_photos(self, by_name: bool = False) -> KnownPhotos:
        """Return which photos are there; `by_name`, which are there under which name."""
        batches = self._batches(["photo", "modified", "name"])
        return KnownPhotos(
            (row["photo"], row["modified"], row["name"] if by_name else None)
            for batch in batches
            for row in batch.to_pylist()
        )

    def rows(self, faces_only: bool = False) -> Iterator[FaceRow]:
        """Yield all rows, or those with a face, in no particular order."""
        for batch in self._batches(where="problem IS NULL" if faces_only else None):
            columns = {name: batch[name].to_pylist() for name in batch.schema.names if name != "embedding"}
            embeddings = batch["embedding"].flatten().to_numpy().reshape(-1, self.embedding_size)
            places = np.cumsum(batch["embedding"].is_valid().to_numpy(False)) - 1  # flatten leaves out what is missing
            for i, photo in enumerate(columns["photo"]):
                face = columns["problem"][i] is None
                yield FaceRow(
                    os.fsdecode(photo),
                    columns["modified"][i],
                    columns["name"][i],
                    embeddings[places[i]] if face else None,
                    Box(*(columns[edge][i] for edge in _BOX)) if face else None,
                    columns["angle"][i],
                    columns["problem"][i],
                )

    def _batches(self, columns: list[str] | None = None, where: str | None = None) -> Iterator[pa.RecordBatch]:
        with _sentences(self.address):
            self._table.checkout_latest()
            query = self._table.search()
            if columns:
                query = query.select(columns)
            if where:
                query = query.where(where)
            yield from query.to_batches(batch_size=4096)

    def rename(self, name: str, new_name: str, merge: bool = False) -> int:
        """Give a person another name; return how many faces that changed.

        Raises FaceSimError where nobody has the name, or somebody has the new one already and they are not to `merge`.
        """
        name, new_name = self._known_name(name), check_name(new_name)
        with self.writing(), _sentences(self.address):
            if not merge and self._table.count_rows(f"name = {_quoted(new_name)}"):
                raise FaceSimError(
                    f"{new_name} is in {printable(self.address)} already: --merge makes the two one person."
                )
            return self._table.update(where=f"name = {_quoted(name)}", values={"name": new_name}).rows_updated

    def forget(self, name: str) -> int:
        """Remove a person for good: no file of the gallery holds the faces any more; return how many they were.

        The table is written anew without them, and every older version of it deleted: it takes time and, for as long,
        disk as its size. Nobody else may write at the same time.

        Raises FaceSimError where nobody has the name.
        """
        name = self._known_name(name)
        theirs = f"name = {_quoted(name)}"
        with self.alone():
            count = self._table.count_rows(theirs)
            self.replace(
                pa.RecordBatchReader.from_batches(self.schema, self._batches(where=f"name IS NULL OR NOT {theirs}"))
            )
        return count

    def replace(self, rows: pa.RecordBatchReader) -> None:
        """Put other rows in place of all, in one step, and leave nothing of the old ones; within `alone`."""
        with _sentences(self.address):
            self._table = _connect(self.address).create_table(
                TABLE,
                rows,
                schema=rows.schema,
                mode="overwrite",
                on_bad_vectors="null",  # photos without a face have none
            )
            self.schema = self._table.schema
            with warnings.catch_warnings(action="ignore"):  # that nobody else may be at it: nobody is
                self._table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
            _connect(self.address).drop_table(REMADE, ignore_missing=True)
            self._tidy_index()

    def remade_by(self, model: Model) -> "Gallery":
        """Open the gallery that is to take this one's place, as far as it has come; within `alone`."""
        table = _open_table(self.address, REMADE)
        with _sentences(self.address):
            if table is None or _check_schema(self.address, table.schema) != model.fingerprint:
                schema = gallery_schema(model.embedding_size, model.fingerprint)
                table = _connect(self.address).create_table(REMADE, schema=schema, mode="overwrite")
        return Gallery(self.address, table, model)

    def become(self, other: "Gallery") -> None:
        """Take over all rows of another gallery, and its model; within `alone`."""
        self.replace(pa.RecordBatchReader.from_batches(other.schema, other._batches()))
        self.fingerprint, self.embedding_size = other.fingerprint, other.embedding_size

    def _known_name(self, name: str) -> str:
        name = check_name(name)
        with _sentences(self.address):
            if not self._table.count_rows(f"name = {_quoted(name)}"):
                raise FaceSimError(f"nobody in {printable(self.address)} is called {name}: facesim list says who is.")
        return name

    def tidy(self) -> None:
        """Join the pieces that many changes have left, and bring the index up to date; unless others are writing."""
        alone = _locked(self.address, portalocker.LOCK_EX, patience=0)
        with contextlib.suppress(portalocker.LockException), alone, _sentences(self.address):
            self._table.checkout_latest()
            if self._table.stats()["fragment_stats"]["num_fragments"] > _MANY_PIECES:
                self._table.optimize()
            self._tidy_index()

    def _tidy_index(self) -> None:
        faces = self._table.count_rows("problem IS NULL")
        if faces < INDEX_FROM:
            return
        indices = self._table.list_indices()
        if not indices:
            config = IvfSq(distance_type="l2", num_partitions=round(faces**0.5))
            self._table.create_index("embedding", config=config)
        elif sum(index.num_unindexed_rows for index in indices) > INDEX_FROM:
            self._table.optimize()

    def stats(self) -> GalleryStats:
        """Return what the gallery holds."""
        names = self.names()
        with _sentences(self.address):
            without_face = self._table.count_rows("problem IS NOT NULL")
            photos = len({photo for batch in self._batches(["photo"]) for photo in batch["photo"].to_pylist()})
            return GalleryStats(
                faces=self._table.count_rows() - without_face,
                named=sum(names.values()),
                names=len(names),
                without_face=without_face,
                photos=photos,
                embedding_size=self.embedding_size,
                model=self.fingerprint,
                bytes=self._bytes(),
                indexed=bool(self._table.list_indices()),
            )

    def _bytes(self) -> int:
        if _is_remote(self.address):
            return self._table.stats()["total_bytes"]
        return sum(path.stat().st_size for path in Path(self.address).rglob("*") if path.is_file())

    def writing(self):
        """Return a context in which rows may be added, beside other processes that do so."""
        return _locked(self.address, portalocker.LOCK_SH)

    def alone(self):
        """Return a context in which no other process writes; at an object store's address there is no such promise."""
        return _locked(self.address, portalocker.LOCK_EX)


def _is_remote(address: str) -> bool:
    return "://" in address


def _connect(address: str):
    return lancedb.connect(address, read_consistency_interval=timedelta(0))


def _open_table(address: str, name: str):
    """Return a table at an address; None where there is none."""
    if not _is_remote(address) and not (Path(address) / f"{name}.lance").is_dir():
        return None
    with _sentences(address):
        try:
            return _connect(address).open_table(name)
        except ValueError as error:
            if "not found" in str(error):
                return None
            raise


def _check_schema(address: str, schema: pa.Schema) -> str:
    """Return the fingerprint of the model that made a gallery; raises FaceSimError where it is no gallery of ours."""
    metadata = schema.metadata or {}
    fingerprint = metadata.get(_FINGERPRINT, b"").decode(errors="replace")
    kind = schema.field("embedding").type if "embedding" in schema.names else None
    ours = metadata.get(_FORMAT) == FORMAT_VERSION.encode() and pa.types.is_fixed_size_list(kind)
    if ours and schema.equals(gallery_schema(kind.list_size, fingerprint)):
        return fingerprint
    raise FaceSimError(f"{printable(address)} is not a gallery that this version of facesim can read.")


@contextlib.contextmanager
def _locked(address: str, kind, patience: float | None = None) -> Iterator[None]:
    """Hold the gallery's lock, shared or alone; an object store has none.

    Raises FaceSimError where it cannot be written to, or where others do not let go in time.
    """
    if _is_remote(address):
        yield
        return
    path, patience = Path(address) / LOCK, PATIENCE if patience is None else patience
    try:
        lock = portalocker.Lock(path, "a", timeout=patience, flags=kind | portalocker.LOCK_NB)
        lock.acquire()
    except portalocker.LockException as error:
        if not patience:
            raise
        raise FaceSimError(f"{printable(address)} is being written to: try again once that is done.") from error
    except OSError as error:
        raise FaceSimError(f"{printable(address)} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _sentences(address: str) -> Iterator[None]:
    """Turn what LanceDB raises into a FaceSimError that names the gallery."""
    try:
        yield
    except (FaceSimError, GeneratorExit):
        raise
    except Exception as error:  # LanceDB raises a class of its own for every kind of trouble
        reason = " ".join(str(error).split())
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise FaceSimError(f"{printable(address)} cannot be used ({reason[:200]}).") from error


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
