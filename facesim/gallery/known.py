"""Which photos a gallery has, kept small enough to hold a hundred million; and whether one is as it was."""

import hashlib
import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Version(NamedTuple):
    """What a look at a photo's folder tells of its content. Copying tools keep the first time, but not the second."""

    modified: int = 0  # nanoseconds since 1970; 0 where it cannot be told
    size: int | None = None  # bytes; this and the next are unknown of faces that an earlier facesim has kept
    changed: int | None = None  # nanoseconds since 1970, of the file or of what the folder says of it


def version_of(photo: str) -> Version:
    """Return the version of a photo that is there now; what is wrong with one is said when it is opened."""
    try:
        seen = os.stat(photo)
    except (OSError, ValueError):
        return Version()
    return Version(seen.st_mtime_ns, seen.st_size, seen.st_ctime_ns)


def content_digest(photo: str) -> bytes | None:
    """Return 16 bytes that tell a photo's content from any other; None where it cannot be read."""
    if not os.path.isfile(photo):  # reading a pipe may never end
        return None
    try:
        with open(photo, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return None


def is_unchanged(photo: str, version: Version, content: bytes | None) -> bool:
    """Return whether a photo is as it was; it is read only where its folder cannot tell."""
    now = version_of(photo)
    return version in (now, Version(now.modified)) or (content is not None and content == content_digest(photo))


class KnownPhotos:
    """Which photos a gallery has, of which version and content: 24 bytes of memory for each, 48 while they are read.

    A photo's faces without a name, where it has any, say of which: a face with a name stays when its photo changes.
    It keeps 64 bits of their digests: of 100 million photos, one is mistaken for another once in 2,000 times.
    """

    def __init__(self, rows: Iterable[tuple[bytes, bool, Version, bytes | None]]):
        """Take photos, whether the face has a name, of which version it is, and of which content."""
        digests = (
            (_digest(photo, named), _digest(photo, named, version), _digest(photo, named, content))
            for photo, named, version, content in rows
        )
        self._photos, self._versions, self._contents = np.sort(np.fromiter(digests, np.dtype((np.uint64, 3))).T)

    def has(self, photo: str) -> bool:
        """Return whether the photo is there at all."""
        return any(_is_in(self._photos, _digest(os.fsencode(photo), named)) for named in (False, True))

    def has_version(self, photo: str, version: Version) -> bool:
        """Return whether the photo is there as its folder shows it now."""
        return any(self._holds(self._versions, photo, known) for known in (version, Version(version.modified)))

    def has_content(self, photo: str, content: bytes | None) -> bool:
        """Return whether the photo is there as it is now."""
        return content is not None and self._holds(self._contents, photo, content)

    def _holds(self, digests: np.ndarray, photo: str, what: Version | bytes) -> bool:
        key = os.fsencode(photo)
        return _is_in(digests, _digest(key, not _is_in(self._photos, _digest(key, False)), what))


def _digest(photo: bytes, named: bool, what: Version | bytes | None = None) -> int:
    text = b"\0".join((photo, b"%d" % named, what if isinstance(what, bytes) else repr(what).encode()))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())


def _is_in(ascending: np.ndarray, number: int) -> bool:
    place = np.searchsorted(ascending, np.uint64(number))
    return place < len(ascending) and int(ascending[place]) == number
