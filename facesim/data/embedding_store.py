"""The embedding store: what networks have made of crops, so that no crop is embedded twice by the same model.

Each network has a folder, named for its fingerprint. A run that embeds crops adds a file there, and writes to no other:
a record for each crop, with the SHA-256 of its pixels, its embedding and a checksum. So there is nothing to lock, and a
process that is killed leaves whole records and perhaps half of one, which is not read.
"""

import contextlib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pooch

if TYPE_CHECKING:
    from facesim.model import Model

MAX_BYTES = 2 * 10**9  # of all embeddings together, unless a single run needs more
_RECORDS = 2**14  # read at once


def embeddings_home() -> Path:
    """Return the folder of all embeddings."""
    return Path(pooch.os_cache("facesim")) / "embeddings"


def crop_digest(crop: np.ndarray) -> bytes:
    """Return the SHA-256 of a crop's pixels, `(160, 160, 3) uint8`."""
    return hashlib.sha256(np.ascontiguousarray(crop).data).digest()


class EmbeddingStore:
    """The embeddings that a model has made of crops, below `home`; a crop is known by its `crop_digest`.

    Several processes may use it at once, and any file may be deleted at any time. Where nothing can be written, nothing
    is kept.
    """

    def __init__(self, model: "Model", home: Path | None = None):
        self._home = home or embeddings_home()
        self._folder, self._runtime = self._home / model.fingerprint, model.runtime
        size = model.embedding_size
        self._record = np.dtype([("crop", "V32"), ("embedding", "<f4", size), ("checksum", "<u4")])
        self._used: set[Path] = set()
        self._own: Path | None = None  # the file of this run
        self._keeping = True

    def find(self, crops: Sequence[bytes]) -> np.ndarray:
        """Return the embeddings of different crops, `(n, d) float32`, NaN for those that are not known."""
        embeddings = np.full((len(crops), *self._record["embedding"].shape), np.nan, np.float32)
        rows = {crop: row for row, crop in enumerate(crops)}
        for path in self._folder.glob(f"{self._runtime}.*"):
            with contextlib.suppress(OSError):  # another run has just deleted it
                if self._read(path, rows, embeddings):
                    self._used.add(path)
                    os.utime(path)
        return embeddings

    def add(self, crops: Sequence[bytes], embeddings: np.ndarray) -> None:
        """Keep the embeddings of crops, `(n, d) float32`."""
        records = np.zeros(len(crops), self._record)
        records["crop"], records["embedding"] = np.frombuffer(b"".join(crops), "V32"), embeddings
        records["checksum"] = [_checksum(record) for record in records]
        if self._keeping:
            try:
                self._append(records.tobytes())
            except OSError:  # the disk is full or read-only, or the file was cleared: it takes no more records
                self._keeping = False

    def make_room(self, count: int, limit: int = MAX_BYTES) -> None:
        """Delete the least recently used files, of any model, but none that this run has used, until `count` fit."""
        files = []
        for path in self._home.glob("*/*"):
            with contextlib.suppress(OSError):  # another run has just deleted it
                found = path.stat()
                files.append((found.st_mtime, found.st_size, path))
        excess = sum(size for _, size, _ in files) + count * self._record.itemsize - limit
        for _, size, path in sorted(files):
            if excess > 0 and path not in self._used:
                with contextlib.suppress(OSError):
                    path.unlink()
                    excess -= size
                    path.parent.rmdir()  # if that was its last file

    def _read(self, path: Path, rows: dict[bytes, int], embeddings: np.ndarray) -> bool:
        """Read the embeddings of the crops in `rows` from a file; return whether there were any."""
        found = False
        with open(path, "rb") as file:
            while len(records := np.fromfile(file, self._record, _RECORDS)):
                for record, crop in zip(records, records["crop"].tolist(), strict=True):
                    if crop in rows and record["checksum"] == _checksum(record):
                        embeddings[rows[crop]] = record["embedding"]
                        found = True
        return found

    def _append(self, records: bytes) -> None:
        if self._own is None:
            self._home.mkdir(0o700, parents=True, exist_ok=True)
            self._folder.mkdir(0o700, exist_ok=True)
            handle, path = tempfile.mkstemp(prefix=f"{self._runtime}.", dir=self._folder)  # readable by its owner alone
            self._own = Path(path)
        else:
            handle = os.open(self._own, os.O_WRONLY | os.O_APPEND)
        with open(handle, "wb", buffering=0) as file:
            if file.write(records) != len(records):
                raise OSError("the disk is full")


def _checksum(record: np.void) -> int:
    return zlib.crc32(record.tobytes()[:-4])
