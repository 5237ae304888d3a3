"""Fill a gallery from photos, in all cores: enrol people, or embed whole collections."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from facesim.bulk import embed_groups
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError, NoFaceError
from facesim.folder import people_below, photos_at
from facesim.gallery.identify import WEIGHED, probabilities
from facesim.gallery.known import KnownPhotos
from facesim.gallery.rows import FaceRow, Match, check_name
from facesim.gallery.store import Gallery, is_gallery, open_gallery
from facesim.names import Spellings
from facesim.verifier import Verifier

# A process that is killed loses what it has embedded since it last wrote; the next one embeds that again.
ENROLLED_EVERY = 1.0  # seconds
EMBEDDED_EVERY = 20.0  # seconds: each time makes a piece of the table, and a million photos take hours


class Photo(NamedTuple):
    """A photo to be collected."""

    path: str
    modified: int  # nanoseconds since 1970; 0 where it cannot be told
    name: str | None = None
    changed: bool = False  # since it was collected before


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A photo that is in the gallery now, with its face; or why it is not."""

    photo: str
    name: str
    face: FoundFace | None = None
    error: FaceSimError | None = None
    likeness: Match | None = None  # the face of another name that this one matches

    @property
    def likeness_text(self) -> str:
        """Say whom else the face matches."""
        return f"{self.photo}, enrolled as {self.name}, looks like {self.likeness.name} in {self.likeness.photo} " + (
            f"(distance {self.likeness.distance:.4f}); is that one person?"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        like = self.likeness
        return {
            "photo": self.photo,
            "name": self.name,
            "box": self.face and self.face.box._asdict(),
            "error": self.error and str(self.error),
            "likeness": like and {"name": like.name, "photo": like.photo, "distance": like.distance},
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a collection has come, in photos: those that gave faces, those without one, those not readable."""

    with_face: int = 0
    faces: int = 0
    without_face: int = 0
    unreadable: int = 0

    @property
    def photos(self) -> int:
        return self.with_face + self.without_face + self.unreadable

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, field) + getattr(other, field) for field in self.__slots__))


def people_in(paths: Iterable[str], name: str | None = None, depth: int | None = None) -> list[tuple[str, str]]:
    """Return photos and who is on them: `name` on all of them, or, without one, as `people_below` says of folders.

    Raises FaceSimError where that says of no photo, or not of each, who is on it.
    """
    if name is not None:
        name = check_name(name)
        return [(photo, name) for photo in photos_at(paths)]
    spellings = Spellings()
    people: dict[tuple[str, str], None] = {}
    for path in paths:
        if not os.path.isdir(path):
            raise FaceSimError(f"who is on {path}? Give --name, or a folder with a sub-folder of photos per person.")
        theirs = people_below(path, check_name, depth)
        if not theirs:
            raise FaceSimError(f"{path} has no sub-folders with photos, named after the people on them: give --name.")
        people |= dict.fromkeys((os.path.join(path, *place), spellings.first(person)) for place, person in theirs)
    return list(people)


def enrol(gallery: Gallery, verifier: Verifier, people: Iterable[tuple[str, str]]) -> Iterator[Enrolled]:
    """Enrol photos, each with a name, by their main face; yield each once it is safe in the gallery.

    A name that the gallery has is kept as it is spelled there. A photo that is there already, by the same path and name
    and unchanged, is passed over. Where the face is,
    more likely than not, that of somebody enrolled by another name, that is said; it is enrolled all the same.
    """
    with gallery.writing():
        spellings = Spellings(gallery.names())
        named = ((path, spellings.first(check_name(name))) for path, name in people)
        new = _new_photos(gallery.known_photos(by_name=True), named)
        for batch in embed_in_batches(new, verifier, "largest", ENROLLED_EVERY):
            found = [(photo, embedded) for photo, embedded in batch if isinstance(embedded, EmbeddedPhoto)]
            likenesses = _likenesses(gallery, verifier, [row for each in found for row in face_rows(*each)])
            _write(gallery, found)
            for photo, embedded in batch:
                if isinstance(embedded, FaceSimError):
                    yield Enrolled(photo.path, photo.name, error=embedded)
                else:
                    likeness = likenesses.get((photo.path, photo.name))
                    yield Enrolled(photo.path, photo.name, embedded.faces[0], likeness=likeness)
    gallery.tidy()


def pending_photos(
    gallery: Gallery, paths: Iterable[str], pass_over: Callable[[], None] = lambda: None
) -> Iterator[Photo]:
    """Yield the photos that the gallery does not have as they are now; `pass_over` is called for each of the others."""
    yield from _new_photos(gallery.known_photos(), ((path, None) for path in paths), pass_over)


def embed_locally(gallery: Gallery, verifier: Verifier, photos: Iterable[Photo], faces: str = "all") -> Iterator[Tally]:
    """Embed the faces of photos, without names, in all cores of this machine; yield how many after each commit.

    Photos without a face are noted in the gallery, so that none is looked at twice; those that cannot be read are not.
    """
    with gallery.writing():
        for batch in embed_in_batches(photos, verifier, faces, EMBEDDED_EVERY):
            _write(gallery, batch)
            yield tally([embedded for _, embedded in batch])
    gallery.tidy()


def faces_on(paths: Sequence[str], verifier: Verifier, faces: str = "all") -> Iterator[list[FaceRow] | FaceSimError]:
    """Yield the faces on each photo, in files, folders, or galleries of the verifier's model; or why there are none."""
    galleries = [path for path in paths if is_gallery(path)]
    for address in galleries:
        for row in open_gallery(address, verifier.model).rows(faces_only=True):
            yield [row]
    others = [path for path in paths if path not in galleries]
    photos = (Photo(os.path.abspath(path), 0) for path in (photos_at(others) if others else ()))
    for batch in embed_in_batches(photos, verifier, faces, ENROLLED_EVERY):
        for photo, embedded in batch:
            yield embedded if isinstance(embedded, FaceSimError) else face_rows(photo, embedded)


def embed_in_batches(
    photos: Iterable[Photo], verifier: Verifier, faces: str, every: float
) -> Iterator[list[tuple[Photo, EmbeddedPhoto | FaceSimError]]]:
    """Embed photos in all cores; yield them in order, in batches of some `every` seconds."""
    waiting: deque[Photo] = deque()

    def groups() -> Iterator[tuple[str]]:
        for photo in photos:
            waiting.append(photo)
            yield (photo.path,)

    batch, due = [], time.monotonic() + every
    for outcome in embed_groups(groups(), lambda path: verifier.embed_faces(path, faces)):
        batch.append((waiting.popleft(), outcome if isinstance(outcome, FaceSimError) else outcome[0]))
        if time.monotonic() >= due:
            yield batch
            batch, due = [], time.monotonic() + every
    if batch:
        yield batch


def tally(outcomes: Sequence[EmbeddedPhoto | FaceSimError]) -> Tally:
    """Count what became of photos."""
    found = [outcome for outcome in outcomes if isinstance(outcome, EmbeddedPhoto)]
    without = sum(isinstance(outcome, NoFaceError) for outcome in outcomes)
    return Tally(len(found), sum(len(photo.faces) for photo in found), without, len(outcomes) - len(found) - without)


def face_rows(photo: Photo, embedded: EmbeddedPhoto | FaceSimError) -> list[FaceRow]:
    """Return a photo's faces as a gallery keeps them; of one without, a row that says so; of an unreadable one none."""
    if isinstance(embedded, NoFaceError):
        return [FaceRow(photo.path, photo.modified, photo.name, problem=str(embedded))]
    if isinstance(embedded, FaceSimError):
        return []
    return [
        FaceRow(photo.path, photo.modified, photo.name, embedding, face.box, face.angle)
        for face, embedding in zip(*embedded, strict=True)
    ]


def _new_photos(
    known: KnownPhotos, paths: Iterable[tuple[str, str | None]], pass_over: Callable[[], None] = lambda: None
) -> Iterator[Photo]:
    for path, name in paths:
        path, modified = os.path.abspath(path), 0
        with contextlib.suppress(OSError, ValueError):  # what is wrong with it is said when it is opened
            modified = os.stat(path).st_mtime_ns
        if known.has(path, modified, name):
            pass_over()
        else:
            yield Photo(path, modified, name, known.has_older(path, modified, name))


def _write(gallery: Gallery, batch: Sequence[tuple[Photo, EmbeddedPhoto | FaceSimError]]) -> None:
    rows = {photo: face_rows(photo, embedded) for photo, embedded in batch}
    for photo in rows:
        if photo.changed and rows[photo]:  # first: were the process killed in between, the old would stay for good
            gallery.remove_older(photo.path, photo.modified, photo.name)
    gallery.add([row for theirs in rows.values() for row in theirs])


def _likenesses(gallery: Gallery, verifier: Verifier, rows: list[FaceRow]) -> dict[tuple[str, str], Match]:
    """Return, by photo and name, the nearest face of another name, where the face is likely to be of another name.

    In the gallery, or among the rows themselves.
    """
    if not rows:
        return {}
    enrolled = gallery.count_named() + len(rows)
    embeddings = np.stack([row.embedding for row in rows])
    found = {}
    for i, row in enumerate(rows):
        matches = gallery.nearest(row.embedding, WEIGHED, named=True)
        distances = np.linalg.norm(embeddings[:i] - row.embedding, axis=1).tolist()
        matches += [
            Match(earlier.name, distance, earlier.photo, earlier.box)
            for earlier, distance in zip(rows[:i], distances, strict=True)
        ]
        likely = probabilities(verifier.model.info, matches, enrolled)
        if sum(likely.values()) - likely.get(row.name, 0.0) > 0.5:
            others = (match for match in matches if match.name != row.name)
            found[row.photo, row.name] = min(others, key=lambda match: match.distance)
    return found
