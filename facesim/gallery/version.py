"""Versions of a photo: whether one has changed since a gallery embedded it."""

import hashlib
import os
from typing import NamedTuple


class Version(NamedTuple):
    """What the file system says about a photo's content. Tools that copy preserve the first time, not the second."""

    modified: int = 0  # nanoseconds since 1970; 0 if unknown
    size: int | None = None  # bytes; this and the next are None for faces that an earlier facesim stored
    changed: int | None = None  # nanoseconds since 1970, of its content or metadata


def version_of(photo: str) -> Version:
    """Return the present version of a photo; where it cannot be read, opening it will say so."""
    try:
        seen = os.stat(photo)
    except (OSError, ValueError):
        return Version()
    return Version(seen.st_mtime_ns, seen.st_size, seen.st_ctime_ns)


def content_digest(photo: str) -> bytes | None:
    """Return a digest of a photo's content, 16 bytes; None where it cannot be read."""
    if not os.path.isfile(photo):  # reading a pipe may never end
        return None
    try:
        with open(photo, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return None


def is_unchanged(photo: str, version: Version, content: bytes | None) -> bool:
    """Return whether a photo is still as it was; it is read only where its version differs."""
    now = version_of(photo)
    return version in (now, Version(now.modified)) or (content is not None and content == content_digest(photo))
