"""Which photos a gallery has, and in which versions; in little memory, even for a hundred million."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from facesim.gallery.store import Gallery
from facesim.gallery.tables import translate_errors
from facesim.gallery.version import Version

# Of a gallery whose photos' new versions are noted: LanceDB takes some 3.5 KB of memory for each row to do so.
MAX_NOTED_ROWS = 250_000

States = list[tuple[Version, bytes | None]]  # versions of one photo, and their contents


class KnownPhotos:
    """Which photos a gallery has, in which versions and contents: 24 bytes of memory for each, 48 while they are read.

    Where a photo has faces without a name, those decide: a face with a name stays even if its photo has changed since.
    Only 64-bit hashes are kept: among 100 million photos, one is mistaken for another with a probability of 1/2,000.
    """

    def __init__(self, gallery: Gallery):
        hashes = (
            (hash((photo, bool(name))), hash((photo, bool(name), version)), hash((photo, bool(name), content)))
            for photo, name, version, content in _stored_versions(gallery)
        )
        self._photos, self._versions, self._contents = np.sort(np.fromiter(hashes, np.dtype((np.int64, 3))).T)

    def has(self, photo: str) -> bool:
        """Return whether the gallery has the photo, in whatever version."""
        return any(_is_in(self._photos, hash((os.fsencode(photo), named))) for named in (False, True))

    def has_version(self, photo: str, version: Version) -> bool:
        """Return whether the gallery has this version of the photo."""
        return any(self._holds(self._versions, photo, each) for each in (version, Version(version.modified)))

    def has_content(self, photo: str, content: bytes | None) -> bool:
        """Return whether the gallery has the photo with this content."""
        return content is not None and self._holds(self._contents, photo, content)

    def _holds(self, hashes: np.ndarray, photo: str, what: Version | bytes) -> bool:
        key = os.fsencode(photo)
        return _is_in(hashes, hash((key, not _is_in(self._photos, hash((key, False))), what)))


def named_photos(gallery: Gallery, photos: Iterable[str]) -> dict[str, dict[str, States]]:
    """Return those of some photos that a gallery has with names, and the states in which it has each name."""
    found: dict[bytes, dict[str, States]] = {os.fsencode(photo): {} for photo in photos}
    for photo, name, version, content in _stored_versions(gallery, "name IS NOT NULL"):
        if name and photo in found:
            found[photo].setdefault(name, []).append((version, content))
    return {os.fsdecode(photo): names for photo, names in found.items() if names}


def note_versions(gallery: Gallery, photos: Sequence[tuple[str, Version, bytes]]) -> None:
    """Record the present versions of photos that a gallery has with the same content, unless it is too large."""
    if not photos or gallery.count_rows() > MAX_NOTED_ROWS:
        return
    import pyarrow as pa  # only for those who write

    kinds = {"photo": pa.binary(), "content": pa.binary()} | dict.fromkeys(Version._fields, pa.int64())
    rows = {(os.fsencode(path), content, *version) for path, version, content in photos}
    with gallery.writing(), translate_errors(gallery.address):
        table = pa.table([*map(list, zip(*rows, strict=True))], pa.schema(kinds.items()))
        gallery.table.merge_insert(["photo", "content"]).when_matched_update_all().execute(table)


def _stored_versions(
    gallery: Gallery, where: str | None = None
) -> Iterator[tuple[bytes, str | None, Version, bytes | None]]:
    present = gallery.table.schema.names  # an earlier facesim stored fewer columns
    columns = [name for name in ("photo", "name", *Version._fields, "content") if name in present]
    for batch in gallery.batches(columns, where):
        found = {name: batch[name].to_pylist() for name in columns}
        unknown = [None] * len(batch)
        versions = map(Version, *(found.get(field, unknown) for field in Version._fields))
        yield from zip(found["photo"], found["name"], versions, found.get("content", unknown), strict=True)


def _is_in(ascending: np.ndarray, number: int) -> bool:
    index = int(np.searchsorted(ascending, number))
    return index < len(ascending) and int(ascending[index]) == number
