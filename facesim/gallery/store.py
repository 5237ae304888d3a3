"""The gallery's store: a LanceDB table of faces in a folder, or at an object store's address."""

import contextlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facesim.detector.box import Box
from facesim.errors import FaceSimError
from facesim.files import check_folder
from facesim.gallery import tables
from facesim.gallery.rows import (
    BOX,
    FaceRow,
    Match,
    check_model,
    fingerprint_in,
    gallery_schema,
    missing_columns,
    rows_in,
    rows_table,
    spelling_among,
)
from facesim.gallery.snapshot import MAX_ROWS, SNAPSHOT, keep_snapshot, remove_snapshots
from facesim.text import printable

if TYPE_CHECKING:
    import pyarrow as pa
    from lancedb.table import LanceTable

    from facesim.model import Model

TABLE = "faces"
# `python benchmarks/gallery.py` measures the effect of these.
PROBES = 300  # partitions of the index that are searched
CANDIDATES = 10  # per face asked for, to be measured exactly: the index keeps only a byte per number
_MAX_LITERALS = 10_000  # photos that one statement names; each statement reads the paths of all


def open_gallery(address: str, model: "Model | None" = None) -> "Gallery":
    """Open the gallery in a folder, or at an address such as s3://bucket/gallery.

    Raises FaceSimError where there is none, where it is damaged, or where another model than `model` made it.
    """
    table = tables.open_table(address, TABLE)
    if table is None:
        raise FaceSimError(f"{printable(address)} is not a gallery: make one with facesim enrol or facesim embed.")
    return Gallery(address, table, model)


def open_or_create_gallery(address: str, model: "Model") -> "Gallery":
    """Open the gallery at an address, or create an empty one there, for the embeddings of `model`.

    Raises FaceSimError as `open_gallery` does, and where the folder holds other files or cannot be written.
    """
    table = tables.open_table(address, TABLE)
    if table is None:
        if not tables.is_remote(address):
            check_folder_is_free(address)
            Path(address).mkdir(0o700, parents=True, exist_ok=True)  # readable by its owner alone
        with tables.locked(address, tables.EXCLUSIVE), tables.translate_errors(address):
            table = tables.open_table(address, TABLE)
            if table is None:  # no other process has created it meanwhile
                schema = gallery_schema(model.embedding_size, model.fingerprint)
                table = tables.connect(address).create_table(TABLE, schema=schema)
    return Gallery(address, table, model)


def check_folder_is_free(address: str) -> None:
    """Raise FaceSimError where no gallery can be made in a folder, which need not exist; for use before the work."""
    folder = Path(address)
    check_folder(folder)
    ours = {tables.LOCK, SNAPSHOT, f"{TABLE}.lance"}  # of who is creating the gallery, or was killed then
    if folder.is_dir() and {path.name for path in folder.iterdir()} - ours:
        raise FaceSimError(f"{printable(address)} holds other files, and is no gallery: name a new folder.")


class Gallery:
    """A gallery, opened by `open_gallery` or `open_or_create_gallery`; a change is whole on disk, or not at all."""

    def __init__(self, address: str, table: "LanceTable", model: "Model | None" = None):
        self.address = address
        self.use_table(table)
        check_model(address, self.fingerprint, model)

    def use_table(self, table: "LanceTable") -> None:
        """Use a table from now on; raises FaceSimError where it is not a gallery that we can read."""
        self.table, self.schema = table, table.schema
        self.fingerprint = fingerprint_in(self.schema, self.address)
        self.embedding_size = self.schema.field("embedding").type.list_size
        self._seen = -1  # the table's version when `_has_unnamed` and the fingerprint were checked
        self._has_unnamed = False

    @property
    def table_uri(self) -> str:
        """Return where the table itself is."""
        return f"{tables.uri(self.address).rstrip('/')}/{TABLE}.lance"

    @property
    def version(self) -> int:
        """Return the version of the table that the last search has seen; each change of the gallery raises it."""
        return self._seen

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Add rows in this context, while others may do so; raises FaceSimError where another is `exclusive`."""
        return self._locked(tables.SHARED)

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Keep other processes from writing in this context; an object store has no lock: ensure it yourself."""
        return self._locked(tables.EXCLUSIVE)

    @contextlib.contextmanager
    def _locked(self, kind: str) -> Iterator[None]:
        if missing_columns(self.schema):  # an earlier facesim made it
            with tables.locked(self.address, tables.EXCLUSIVE), tables.translate_errors(self.address):
                self.table.checkout_latest()
                if missing := missing_columns(self.table.schema):  # no other process has added them meanwhile
                    self.table.add_columns(missing)
                self.schema = self.table.schema
        with tables.locked(self.address, kind):
            if kind == tables.EXCLUSIVE and not tables.is_remote(self.address):
                remove_snapshots(self.address)
            self._refresh()
            yield
            self.keep_snapshot()

    def keep_snapshot(self) -> None:
        """Leave a snapshot of a small gallery, unless its folder is read-only; within the gallery's lock."""
        with contextlib.suppress(FaceSimError), tables.translate_errors(self.address):
            if not tables.is_remote(self.address) and self.count_rows() <= MAX_ROWS and not self.table.list_indices():
                keep_snapshot(self.address, self.table_uri, self.fingerprint, self.embedding_size, self.rows)

    def add(self, rows: Sequence[FaceRow]) -> None:
        """Add rows, all or none; within `writing`."""
        if rows:
            with tables.translate_errors(self.address):
                self.table.add(rows_table(rows, self.schema))

    def replace(self, photos: Iterable[tuple[str, str | None]], rows: Sequence[FaceRow]) -> None:
        """Remove the rows of photos, each under its name or without one, then add rows; within `writing`.

        A process that is killed in between leaves photos without rows, which the next run adds.
        """
        by_name: dict[str | None, list[str]] = {}
        for photo, name in photos:
            by_name.setdefault(name, []).append(f"X'{os.fsencode(photo).hex()}'")
        with tables.translate_errors(self.address):
            for name, literals in by_name.items():
                has_name = "name IS NULL" if name is None else f"name = {tables.quoted(name)}"
                for start in range(0, len(literals), _MAX_LITERALS):
                    chosen = ", ".join(literals[start : start + _MAX_LITERALS])
                    self.table.delete(f"photo IN ({chosen}) AND {has_name}")
        self.add(rows)

    def nearest(self, embedding: np.ndarray, k: int, named: bool = False) -> list[Match]:
        """Return the `k` faces nearest to an embedding, `(d,) float32`, the nearest first; `named` ones only, or all.

        The search is exact, or by an index in a gallery of `maintenance.INDEX_FROM` faces or more.

        Raises FaceSimError where the gallery is damaged, or has been made again with another model meanwhile.
        """
        try:
            return self._search(embedding, k, named)
        except FaceSimError:  # another process may have deleted the files it was about to read
            self._seen = -1
            return self._search(embedding, k, named)

    def _search(self, embedding: np.ndarray, k: int, named: bool) -> list[Match]:
        with tables.translate_errors(self.address):
            if self.table.version != self._seen:
                self._refresh()
            query = self.table.search(embedding, "embedding", "vector").distance_type("l2").limit(k)
            query = query.nprobes(PROBES).refine_factor(CANDIDATES)
            query = query.select(["name", "photo", *BOX, "_distance"])
            if named and self._has_unnamed:
                query = query.where("name IS NOT NULL", prefilter=True)
            found = query.to_arrow().to_pylist()
        return [
            Match(row["name"], max(0.0, row["_distance"]) ** 0.5, os.fsdecode(row["photo"]), Box(*map(row.get, BOX)))
            for row in found
        ]

    def _refresh(self) -> None:
        """See what other processes have changed; raises FaceSimError where the model has changed, too."""
        with tables.translate_errors(self.address):
            self.table.checkout_latest()
            self._seen = self.table.version
            self._has_unnamed = bool(self.table.count_rows("name IS NULL AND problem IS NULL"))
            fingerprint = fingerprint_in(self.table.schema, self.address)
        if fingerprint != self.fingerprint:
            raise FaceSimError(f"{printable(self.address)} was made again with another model meanwhile: start again.")

    def count_rows(self, where: str | None = None) -> int:
        """Return how many rows there are, or meet a condition; each is a face, or a photo without one."""
        with tables.translate_errors(self.address):
            return self.table.count_rows(where)

    def count_named(self) -> int:
        """Return how many faces have a name."""
        return self.count_rows("name IS NOT NULL")

    def names(self) -> dict[str, int]:
        """Return who is enrolled, and with how many faces each, in order of their names."""
        counts: Counter[str] = Counter()
        for batch in self.batches(["name"], "name IS NOT NULL"):
            counts.update({each["values"]: each["counts"] for each in batch["name"].value_counts().to_pylist()})
        return dict(sorted(counts.items()))

    def photos_of_people(self) -> dict[str, set[str]]:
        """Return the photos of each person who is enrolled, by their names."""
        photos: defaultdict[str, set[str]] = defaultdict(set)
        for batch in self.batches(["name", "photo"], "name IS NOT NULL AND problem IS NULL"):
            for row in batch.to_pylist():
                photos[row["name"]].add(os.fsdecode(row["photo"]))
        return dict(photos)

    def rows(self, faces_only: bool = False, names: Sequence[str] = ()) -> Iterator[FaceRow]:
        """Yield all rows, or those with a face, or of some names, in no particular order."""
        where = ["problem IS NULL"] * faces_only
        if names:
            where.append(f"name IN ({', '.join(map(tables.quoted, names))})")
        for batch in self.batches(where=" AND ".join(where)):
            yield from rows_in(batch)

    def batches(self, columns: Sequence[str] = (), where: str | None = None) -> Iterator["pa.RecordBatch"]:
        """Yield the rows that meet a condition, or all of them, in batches of 4,096; with all columns, or some."""
        with tables.translate_errors(self.address):
            self.table.checkout_latest()
            query = self.table.search().select([*(columns or self.table.schema.names)])
            if where:
                query = query.where(where)
            yield from query.to_batches(batch_size=4096)

    def spelling_of(self, name: str) -> str:
        """Return how the gallery spells a name; as given where it has that spelling, or none at all."""
        return spelling_among(self.names(), name)
