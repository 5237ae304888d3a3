"""A snapshot of a small gallery: one plain file beside the table, which is read without LanceDB's imports.

It counts only as long as the table is as it was: it names the table's last version. Whoever writes to a gallery, or
finds no snapshot of it, leaves one. It holds embeddings, so `Gallery.exclusive`, in which faces are forgotten, deletes
it first; and it is written only by those who hold the gallery's lock, so nobody can bring an old one back.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from facesim.detector.box import Box
from facesim.errors import FaceSimError
from facesim.files import write_whole
from facesim.gallery.rows import FaceRow, Match
from facesim.text import printable

SNAPSHOT = ".facesim-snapshot"
MAX_ROWS = 10_000  # of a gallery that has a snapshot; `python benchmarks/gallery.py --only start` measures it
_FORMAT = b"facesim snapshot 1"
_MAX_TEXT = 2**23  # bytes
_MAX_BYTES = 2**26  # of the whole file
_MAX_MANIFEST = 2**22  # bytes of Lance's description of a version of the table
_MANIFEST = re.compile(r"(\d+)\.manifest")
_NEWER_DIGITS = 20  # a newer Lance names version n so: 2**64 - 1 - n, in 20 digits
_NUMBER, _TEXT = int | None, str | None
_KINDS = (str, int, _TEXT, NoneType, list | None, int, _TEXT, _NUMBER, _NUMBER, NoneType, _TEXT)  # of a row, as JSON


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a small gallery held at one version of its table; it is read as a `Gallery` is."""

    address: str  # of the gallery
    version: bytes  # as `table_version` says it
    fingerprint: str  # of the model
    stored: Sequence[FaceRow]
    embeddings: np.ndarray  # (faces, d) float32, of the rows that have one

    @property
    def embedding_size(self) -> int:
        return self.embeddings.shape[1]

    def rows(self, faces_only: bool = False, names: Sequence[str] = ()) -> Iterator[FaceRow]:
        """Yield all rows, or those with a face, or of some names."""
        for row in self.stored:
            if (row.problem is None or not faces_only) and (not names or row.name in names):
                yield row

    def names(self) -> dict[str, int]:
        """Return who is enrolled, and with how many faces each, in order of their names."""
        return dict(sorted(Counter(row.name for row in self.stored if row.name is not None).items()))

    def photos_of_people(self) -> dict[str, set[str]]:
        """Return the photos of each person who is enrolled, by their names."""
        photos: defaultdict[str, set[str]] = defaultdict(set)
        for row in self.rows(faces_only=True):
            if row.name is not None:
                photos[row.name].add(row.photo)
        return dict(photos)

    def nearest(self, embedding: np.ndarray, k: int, named: bool = False) -> list[Match]:
        """Return the `k` faces nearest to an embedding, `(d,) float32`, as `Gallery.nearest` does."""
        faces = list(self.rows(faces_only=True))
        chosen = np.array([not named or row.name is not None for row in faces], bool)
        distances = np.where(chosen, np.linalg.norm(self.embeddings - embedding, axis=1), np.inf)
        nearest = np.argsort(distances, kind="stable")[: min(k, int(chosen.sum()))]
        return [Match(faces[i].name, float(distances[i]), faces[i].photo, faces[i].face.box) for i in nearest.tolist()]

    def count_named(self) -> int:
        """Return how many faces have a name."""
        return sum(self.names().values())


def table_version(table: str) -> bytes | None:
    """Return what is true of only one version of the table in a folder, its last one; None where it cannot be told."""
    versions = {}
    try:
        for name in os.listdir(f"{table}/_versions"):
            if found := _MANIFEST.fullmatch(name):
                number = int(found[1])
                versions[2**64 - 1 - number if len(found[1]) == _NEWER_DIGITS else number] = name
        with open(f"{table}/_versions/{versions[max(versions)]}", "rb") as file:
            manifest = file.read(_MAX_MANIFEST + 1)
    except (OSError, ValueError):
        return None
    if len(manifest) > _MAX_MANIFEST:
        return None
    return b"%d %s" % (max(versions), hashlib.blake2b(manifest, digest_size=16).hexdigest().encode())


def read_snapshot(address: str, table: str) -> Snapshot | None:
    """Return the snapshot of a gallery's table; None where there is none that is whole and of the last version."""
    path = Path(address) / SNAPSHOT
    try:
        state = os.stat(path)
        version = table_version(table)
        if version is None or not stat.S_ISREG(state.st_mode) or state.st_size > _MAX_BYTES:
            return None
        with open(path, "rb") as file:
            head = [file.readline(100).rstrip(b"\n") for _ in range(3)]
            if head[:2] != [_FORMAT, version]:
                return None
            body = file.read(_MAX_BYTES)
        if head[2] != _digest(body):
            return None
        return _parsed(address, version, body)
    except (OSError, ValueError, TypeError, StopIteration, RecursionError):  # it is damaged, or no snapshot
        return None


def keep_snapshot(
    address: str, table: str, fingerprint: str, embedding_size: int, rows: Callable[[], Iterable[FaceRow]]
) -> None:
    """Write the snapshot of a gallery's table, or none where it cannot be written; within the gallery's lock.

    There is none, either, where others changed the table while it was read.
    """
    version = table_version(table)
    if version is None:
        return
    body = _body(fingerprint, embedding_size, rows())
    whole = b"\n".join((_FORMAT, version, _digest(body), body))
    if len(body.partition(b"\n")[0]) <= _MAX_TEXT and len(whole) <= _MAX_BYTES and table_version(table) == version:
        with contextlib.suppress(FaceSimError), write_whole(Path(address) / SNAPSHOT) as scratch:
            private = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(private, "wb") as file:
                file.write(whole)


def remove_snapshots(address: str) -> None:
    """Delete a gallery's snapshot, and what killed processes have left of one; within the gallery's exclusive lock.

    Raises FaceSimError where that fails, so that nobody takes for forgotten what is still there.
    """
    try:
        for name in os.listdir(address):
            if name.lstrip(".").startswith(SNAPSHOT.lstrip(".")):
                os.unlink(os.path.join(address, name))
    except OSError as error:
        raise FaceSimError(
            f"{printable(address)} cannot be written: {error.strerror}. Delete {SNAPSHOT} in it yourself."
        ) from error


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).hexdigest().encode()


def _body(fingerprint: str, embedding_size: int, rows: Iterable[FaceRow]) -> bytes:
    """Return a line of JSON, and after it the embeddings of the rows that have one, as little-endian floats."""
    fields: list[list[Any]] = []
    embeddings: list[bytes] = []
    for row in rows:
        fields.append([*row._replace(embedding=None, content=None), row.content and row.content.hex()])
        if row.embedding is not None:
            embeddings.append(row.embedding.astype("<f4").tobytes())
    return b"\n".join((json.dumps([fingerprint, embedding_size, fields]).encode(), b"".join(embeddings)))


def _parsed(address: str, version: bytes, body: bytes) -> Snapshot:
    """Return what `_body` wrote; raises ValueError or TypeError where it did not write this."""
    text, _, numbers = body.partition(b"\n")
    if len(text) > _MAX_TEXT:
        raise ValueError
    fingerprint, embedding_size, rows = json.loads(text)
    if not isinstance(fingerprint, str) or len(rows) > MAX_ROWS:
        raise ValueError
    face_count = sum(problem is None for *_, problem, _, _, _, _ in rows)
    embeddings = np.frombuffer(numbers, "<f4").astype(np.float32, copy=False).reshape(face_count, embedding_size)
    left = iter(embeddings)
    return Snapshot(address, version, fingerprint, [_row(fields, left) for fields in rows], embeddings)


def _row(fields: list[Any], embeddings: Iterator[np.ndarray]) -> FaceRow:
    if not all(isinstance(value, kind) for value, kind in zip(fields, _KINDS, strict=True)):
        raise TypeError
    *fields, content = fields
    row = FaceRow(*fields)
    if row.problem is None:
        row = row._replace(embedding=next(embeddings), box=Box(*map(int, fields[4])))
    return row if content is None else row._replace(content=bytes.fromhex(content))
