"""Fill a gallery from photos, in all cores: enrol people, or embed whole collections."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from facesim.bulk import embed_groups
from facesim.cores import cores
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError, NoFaceError
from facesim.folder import people_below, photos_at
from facesim.gallery.identify import WEIGHED, probabilities
from facesim.gallery.known import Version, content_digest, is_unchanged, version_of
from facesim.gallery.rows import FaceRow, Match, check_name
from facesim.gallery.store import Gallery, is_gallery, open_gallery
from facesim.names import Spellings
from facesim.verifier import Verifier

# A process that is killed loses what it has embedded since it last wrote; the next one embeds that again.
ENROLLED_EVERY = 1.0  # seconds
NOTED_AT_ONCE = 10_000  # photos
EMBEDDED_EVERY = 20.0  # seconds: each time makes a piece of the table, and a million photos take hours


class Photo(NamedTuple):
    """A photo to be collected."""

    path: str
    version: Version = Version()  # as of when it was looked for
    name: str | None = None
    changed: bool = False  # since it was collected before


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A photo that is in the gallery now, with its face; or why it is not, or under which other name it already is."""

    photo: str
    name: str
    face: FoundFace | None = None
    error: FaceSimError | None = None
    likeness: Match | None = None  # the face of another name that this one matches
    known_as: str | None = None  # the name that the photo is there by already, and keeps

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
            "known_as": self.known_as,
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
    and unchanged, is passed over. One that is there by another name, as after `Gallery.rename`, keeps that, which is
    said. Where the face is, more likely than not, that of somebody enrolled by another name, that is said; it is
    enrolled all the same.
    """
    with gallery.writing():
        spellings = Spellings(gallery.names())
        named = [(os.path.abspath(path), spellings.first(check_name(name))) for path, name in people]
        new, renamed = _to_enrol(gallery, named)
        yield from renamed
        for batch in embed_in_batches(new, verifier, "largest", ENROLLED_EVERY):
            found = [(photo, embedded) for photo, embedded in batch if isinstance(embedded, EmbeddedPhoto)]
            rows = _rows(found)
            likenesses = _likenesses(gallery, verifier, [row for theirs in rows for row in theirs])
            _write(gallery, found, rows)
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
    known, same = gallery.known_photos(), []
    for path in map(os.path.abspath, paths):
        version = version_of(path)
        if known.has_version(path, version):
            pass_over()
        elif known.has(path):
            if known.has_content(path, content := content_digest(path)):
                pass_over()
                same.append((path, version, content))
            else:
                yield Photo(path, version, changed=True)
        else:
            yield Photo(path, version)
        if len(same) == NOTED_AT_ONCE:
            gallery.note_versions(same)
            same.clear()
    gallery.note_versions(same)


def embed_locally(
    gallery: Gallery, verifier: Verifier, photos: Iterable[Photo], selection: str = "all"
) -> Iterator[Tally]:
    """Embed the faces of photos, without names, in all cores of this machine; yield how many after each commit.

    Photos without a face are noted in the gallery, so that none is looked at twice; those that cannot be read are not.
    """
    with gallery.writing():
        for batch in embed_in_batches(photos, verifier, selection, EMBEDDED_EVERY):
            _write(gallery, batch, _rows(batch))
            yield tally([embedded for _, embedded in batch])
    gallery.tidy()


def faces_on(
    paths: Sequence[str], verifier: Verifier, selection: str = "all"
) -> Iterator[list[FaceRow] | FaceSimError]:
    """Yield the faces on each photo, in files, folders, or galleries of the verifier's model; or why there are none."""
    galleries = [path for path in paths if is_gallery(path)]
    for address in galleries:
        for row in open_gallery(address, verifier.model).rows(faces_only=True):
            yield [row]
    others = [path for path in paths if path not in galleries]
    photos = (Photo(os.path.abspath(path)) for path in (photos_at(others) if others else ()))
    for batch in embed_in_batches(photos, verifier, selection, ENROLLED_EVERY):
        for photo, embedded in batch:
            yield embedded if isinstance(embedded, FaceSimError) else face_rows(photo, embedded)


def embed_in_batches(
    photos: Iterable[Photo], verifier: Verifier, selection: str, every: float
) -> Iterator[list[tuple[Photo, EmbeddedPhoto | FaceSimError]]]:
    """Embed photos in all cores; yield them in order, in batches of some `every` seconds."""
    waiting: deque[Photo] = deque()

    def groups() -> Iterator[tuple[str]]:
        for photo in photos:
            waiting.append(photo)
            yield (photo.path,)

    batch, due = [], time.monotonic() + every
    for outcome in embed_groups(groups(), lambda path: verifier.embed_faces(path, selection)):
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
        return [FaceRow(photo.path, name=photo.name, problem=str(embedded), **_read(photo))]
    if isinstance(embedded, FaceSimError):
        return []
    read = _read(photo)
    return [
        FaceRow(photo.path, name=photo.name, embedding=embedding, box=face.box, angle=face.angle, **read)
        for face, embedding in zip(*embedded, strict=True)
    ]


def _read(photo: Photo) -> dict[str, Any]:
    """Return as of which change a photo was embedded; where it has changed meanwhile, as of one that is no more."""
    content = content_digest(photo.path)
    if content is None or version_of(photo.path) != photo.version:
        return Version()._asdict()
    return photo.version._asdict() | {"content": content}


def _to_enrol(gallery: Gallery, people: Sequence[tuple[str, str]]) -> tuple[list[Photo], list[Enrolled]]:
    """Return the photos that the gallery does not have as they are now, and those that it has by other names."""
    known = gallery.named_photos(path for path, _ in people)
    new, renamed, same = [], [], []
    for path, name in people:
        version, names = version_of(path), known.get(path, {})
        asked = {name: names[name]} if name in names else names
        kept = ((each, *one) for each, of_name in asked.items() for one in of_name if is_unchanged(path, *one))
        known_as, as_of, content = next(kept, (None, None, None))
        if known_as is None:
            new.append(Photo(path, version, name, changed=name in names))
        elif known_as != name:
            renamed.append(Enrolled(path, name, known_as=known_as))
        if content and as_of != version:
            same.append((path, version, content))
    gallery.note_versions(same)
    return new, renamed


def _rows(batch: Sequence[tuple[Photo, EmbeddedPhoto | FaceSimError]]) -> list[list[FaceRow]]:
    with ThreadPoolExecutor(cores()) as pool:  # each photo is read once more, for its digest
        return list(pool.map(lambda each: face_rows(*each), batch))


def _write(
    gallery: Gallery, batch: Sequence[tuple[Photo, EmbeddedPhoto | FaceSimError]], rows: Sequence[Sequence[FaceRow]]
) -> None:
    changed = [(photo.path, photo.name) for (photo, _), new in zip(batch, rows, strict=True) if photo.changed and new]
    gallery.replace(changed, [row for new in rows for row in new])


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
