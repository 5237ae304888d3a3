"""Embed whole collections of photos into a gallery, in all cores, without names."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from facesim.bulk import embed_groups
from facesim.cores import cores
from facesim.detector.selection import EmbeddedPhoto
from facesim.errors import FaceSimError, NoFaceError
from facesim.folder import photos_at
from facesim.gallery.known import KnownPhotos, note_versions
from facesim.gallery.maintenance import merge_fragments, vacuum
from facesim.gallery.reading import GalleryReader, is_gallery
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import Gallery
from facesim.gallery.version import Version, content_digest, version_of
from facesim.verifier import Verifier

SECONDS_PER_WRITE = 20.0  # what a killed process loses; each write adds a fragment to the table
_MAX_NOTED = 10_000  # photos whose versions are noted together

T = TypeVar("T")


class ListedPhoto(NamedTuple):
    """A photo to be embedded for a gallery."""

    path: str
    version: Version = Version()  # when it was listed
    name: str | None = None
    changed: bool = False  # since the gallery embedded it


@dataclass(frozen=True, slots=True)
class EmbedCounts:
    """How many photos gave faces, how many faces, and how many photos had none or could not be read."""

    with_face: int = 0
    face_count: int = 0
    without_face: int = 0
    unreadable: int = 0

    @property
    def photo_count(self) -> int:
        return self.with_face + self.without_face + self.unreadable

    def __add__(self, other: "EmbedCounts") -> "EmbedCounts":
        return EmbedCounts(*(getattr(self, field) + getattr(other, field) for field in self.__slots__))


def pending_photos(
    gallery: Gallery, paths: Iterable[str], on_skip: Callable[[], object] = lambda: None
) -> Iterator[ListedPhoto]:
    """Yield the photos that the gallery does not have as they are now; `on_skip` is called for each of the others."""
    known = KnownPhotos(gallery)
    touched: list[tuple[str, Version, bytes]] = []  # new version, known content
    for path in map(os.path.abspath, paths):
        version = version_of(path)
        if known.has_version(path, version):
            on_skip()
        elif known.has(path):
            content = content_digest(path)
            if content and known.has_content(path, content):
                on_skip()
                touched.append((path, version, content))
            else:
                yield ListedPhoto(path, version, changed=True)
        else:
            yield ListedPhoto(path, version)
        if len(touched) == _MAX_NOTED:
            note_versions(gallery, touched)
            touched.clear()
    note_versions(gallery, touched)


def embed_locally(
    gallery: Gallery, verifier: Verifier, photos: Iterable[ListedPhoto], selection: str = "all"
) -> Iterator[EmbedCounts]:
    """Embed the faces of photos, without names, in all cores of this machine; yield the counts of each write.

    Photos without a face are noted in the gallery, so that none is searched twice; unreadable ones are not.
    """
    with gallery.writing():
        for batch in timed_batches(embed_photos(photos, verifier, selection), SECONDS_PER_WRITE):
            write_batch(gallery, batch)
            yield count_outcomes([embedded for _, embedded in batch])
            merge_fragments(gallery)
    vacuum(gallery)


def faces_on(
    paths: Sequence[str], verifier: Verifier, selection: str = "all"
) -> Iterator[list[FaceRow] | FaceSimError]:
    """Yield the faces of each photo, or why it has none; of files, folders, or galleries of the verifier's model."""
    galleries = [path for path in paths if is_gallery(path)]
    for address in galleries:
        for row in GalleryReader(address, verifier.model).rows(faces_only=True):
            yield [row]
    others = [path for path in paths if path not in galleries]
    photos = (ListedPhoto(os.path.abspath(path)) for path in (photos_at(others) if others else ()))
    for photo, embedded in embed_photos(photos, verifier, selection):
        yield embedded if isinstance(embedded, FaceSimError) else face_rows(photo, embedded)


def embed_photos(
    photos: Iterable[ListedPhoto], verifier: Verifier, selection: str
) -> Iterator[tuple[ListedPhoto, EmbeddedPhoto | FaceSimError]]:
    """Embed photos, each path once, in all cores; yield them in order, each with its faces or its error."""
    waiting: deque[ListedPhoto] = deque()

    def groups() -> Iterator[tuple[str]]:
        for photo in photos:
            waiting.append(photo)
            yield (photo.path,)

    embed = partial(verifier.embed_faces, selection=selection)
    for outcome in embed_groups(groups(), embed, verifier.model.threads, unique=True):
        yield waiting.popleft(), outcome if isinstance(outcome, FaceSimError) else outcome[0]


def timed_batches(items: Iterable[T], seconds: float) -> Iterator[list[T]]:
    """Yield all items that have come in so many seconds, again and again."""
    batch, due = [], time.monotonic() + seconds
    for item in items:
        batch.append(item)
        if time.monotonic() >= due:
            yield batch
            batch, due = [], time.monotonic() + seconds
    if batch:
        yield batch


def count_outcomes(outcomes: Sequence[EmbeddedPhoto | FaceSimError]) -> EmbedCounts:
    """Count what became of photos."""
    faces = [len(outcome.faces) for outcome in outcomes if isinstance(outcome, EmbeddedPhoto)]
    without = sum(isinstance(outcome, NoFaceError) for outcome in outcomes)
    return EmbedCounts(len(faces), sum(faces), without, len(outcomes) - len(faces) - without)


def write_batch(gallery: Gallery, batch: Sequence[tuple[ListedPhoto, EmbeddedPhoto | FaceSimError]]) -> None:
    """Add the faces of a batch to the gallery; those of changed photos replace the earlier ones."""
    with ThreadPoolExecutor(cores()) as pool:  # each photo is read once more, for its digest
        rows = list(pool.map(lambda each: face_rows(*each), batch))
    changed = [(photo.path, photo.name) for (photo, _), new in zip(batch, rows, strict=True) if photo.changed and new]
    gallery.replace(changed, [row for new in rows for row in new])


def face_rows(photo: ListedPhoto, embedded: EmbeddedPhoto | FaceSimError) -> list[FaceRow]:
    """Return a photo's faces as the gallery keeps them: one row if it shows none, and no row if it was unreadable."""
    if isinstance(embedded, FaceSimError) and not isinstance(embedded, NoFaceError):
        return []
    row, content = FaceRow(photo.path, name=photo.name), content_digest(photo.path)
    if content is not None and version_of(photo.path) == photo.version:  # else it changed meanwhile: keep no version
        row = row._replace(content=content, **photo.version._asdict())
    if isinstance(embedded, NoFaceError):
        return [row._replace(problem=str(embedded))]
    return [
        row._replace(embedding=embedding, box=face.box, angle=face.angle)
        for face, embedding in zip(*embedded, strict=True)
    ]
