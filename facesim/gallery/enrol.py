"""Enrol people in a gallery, from photos of them."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError
from facesim.gallery.embed import ListedPhoto, embed_photos, timed_batches, write_batch
from facesim.gallery.identify import WEIGHED, probabilities
from facesim.gallery.known import named_photos, note_versions
from facesim.gallery.maintenance import vacuum
from facesim.gallery.rows import UPLOADED, FaceRow, Match, check_name
from facesim.gallery.store import Gallery
from facesim.gallery.version import Version, is_unchanged, version_of
from facesim.names import Spellings
from facesim.photo import open_photo
from facesim.verifier import Verifier

SECONDS_PER_WRITE = 1.0  # what a killed process loses


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A photo that is now in the gallery, with its face; or why it is not, or under which other name it already was."""

    photo: str
    name: str
    face: FoundFace | None = None
    error: FaceSimError | None = None
    likeness: Match | None = None  # the nearest face of another name, if this one probably belongs to another name
    known_as: str | None = None  # the name under which the photo was enrolled already, and which it keeps

    @property
    def poor_text(self) -> str:
        """Say why the photo is poor; empty if it is not."""
        if not self.face or not self.face.warnings:
            return ""
        return f"{self.photo}: {_reasons(self.face)}; enrol a better photo, if there is one."

    @property
    def likeness_text(self) -> str:
        """Say which other name the face resembles; empty if none."""
        if not self.likeness:
            return ""
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
            "warnings": self.face.warnings if self.face else (),
            "error": self.error and str(self.error),
            "likeness": like and {"name": like.name, "photo": like.photo, "distance": like.distance},
            "known_as": self.known_as,
        }


def enrol(
    gallery: Gallery, verifier: Verifier, people: Iterable[tuple[str, str]], strict: bool = False
) -> Iterator[Enrolled]:
    """Enrol photos, each with a name, by their main face; yield each once it is safely in the gallery.

    Names are spelled as the gallery spells them already. A photo that is enrolled under its name and has not changed is
    skipped. One that is enrolled under another name, as after `Gallery.rename`, keeps that, and is yielded with it.
    A face that probably belongs to another name is enrolled all the same, and yielded with that `likeness`. So is
    a poor photo, one whose face has `warnings`; with `strict`, it is yielded with an error instead.
    """
    with gallery.writing():
        spellings = Spellings(gallery.names())
        named = [(os.path.abspath(path), spellings.first(check_name(name))) for path, name in people]
        new, renamed = _to_enrol(gallery, named)
        yield from renamed
        for batch in timed_batches(embed_photos(new, verifier, "largest"), SECONDS_PER_WRITE):
            if strict:
                batch = [(photo, _refuse_poor(embedded)) for photo, embedded in batch]
            found = [(photo, embedded) for photo, embedded in batch if isinstance(embedded, EmbeddedPhoto)]
            likenesses = _likenesses(gallery, verifier, found)
            write_batch(gallery, found)
            for photo, embedded in batch:
                assert photo.name is not None  # `_to_enrol` gives every photo its name
                if isinstance(embedded, FaceSimError):
                    yield Enrolled(photo.path, photo.name, error=embedded)
                else:
                    yield Enrolled(photo.path, photo.name, embedded.faces[0], likeness=likenesses.get(photo))
    vacuum(gallery)


def enrol_upload(gallery: Gallery, verifier: Verifier, data: bytes, name: str, called: str = "the photo") -> Enrolled:
    """Enrol a photo given as bytes, which is kept nowhere, by its main face; return once that is in the gallery.

    The gallery calls it after its content, so that it is enrolled once: `known_as` is the name that it has already.
    """
    digest = hashlib.blake2b(data, digest_size=16).digest()
    path, version = f"{UPLOADED}{digest.hex()}", Version(size=len(data))
    try:
        embedded = verifier.embed_faces(open_photo(data, called))
    except FaceSimError as error:
        return Enrolled(called, name, error=error)
    with gallery.writing():
        name = gallery.spelling_of(name)
        known = named_photos(gallery, [path]).get(path)
        if known:
            return Enrolled(called, name, known_as=name if name in known else next(iter(known)))
        photo, face = ListedPhoto(path, version, name), embedded.faces[0]
        likeness = _likenesses(gallery, verifier, [(photo, embedded)]).get(photo)
        row = FaceRow(path, name=name, embedding=embedded.embeddings[0], box=face.box, angle=face.angle)
        gallery.add([row._replace(content=digest, **version._asdict())])
    vacuum(gallery)
    return Enrolled(called, name, face, likeness=likeness)


def _refuse_poor(embedded: EmbeddedPhoto | FaceSimError) -> EmbeddedPhoto | FaceSimError:
    """Return an error in the place of a poor photo."""
    if isinstance(embedded, FaceSimError) or not embedded.faces[0].warnings:
        return embedded
    face = embedded.faces[0]
    return FaceSimError(f"{face.photo}: {_reasons(face)}: give a better photo, or leave out --strict.")


def _reasons(face: FoundFace) -> str:
    return ", and ".join(face.warnings)


def _to_enrol(gallery: Gallery, people: Sequence[tuple[str, str]]) -> tuple[list[ListedPhoto], list[Enrolled]]:
    """Return the photos that the gallery does not have as they are now, and those that it has under other names."""
    known = named_photos(gallery, (path for path, _ in people))
    new, renamed, touched = [], [], []
    for path, name in people:
        version, names = version_of(path), known.get(path, {})
        candidates = {name: names[name]} if name in names else names
        unchanged = (
            (other, *state) for other, states in candidates.items() for state in states if is_unchanged(path, *state)
        )
        known_as, known_version, content = next(unchanged, (None, None, None))
        if known_as is None:
            new.append(ListedPhoto(path, version, name, changed=name in names))
        elif known_as != name:
            renamed.append(Enrolled(path, name, known_as=known_as))
        if content and known_version != version:
            touched.append((path, version, content))
    note_versions(gallery, touched)
    return new, renamed


def _likenesses(
    gallery: Gallery, verifier: Verifier, batch: Sequence[tuple[ListedPhoto, EmbeddedPhoto]]
) -> dict[ListedPhoto, Match]:
    """Return, for each photo whose face probably belongs to another name, the nearest face of another name.

    A face is compared with those in the gallery and with those before it in the batch.
    """
    if not batch:
        return {}
    enrolled = gallery.count_named() + len(batch)
    embeddings = np.concatenate([embedded.embeddings for _, embedded in batch])
    likenesses = {}
    for i, (photo, _) in enumerate(batch):
        matches = gallery.nearest(embeddings[i], WEIGHED, named=True)
        distances = np.linalg.norm(embeddings[:i] - embeddings[i], axis=1).tolist()
        matches += [
            Match(earlier.name, distance, earlier.path, embedded.faces[0].box)
            for (earlier, embedded), distance in zip(batch[:i], distances, strict=True)
        ]
        likely = probabilities(verifier.model.info, matches, enrolled)
        if sum(likely.values()) - likely.get(photo.name, 0.0) > 0.5:
            others = (match for match in matches if match.name != photo.name)
            likenesses[photo] = min(others, key=lambda match: match.distance)
    return likenesses
