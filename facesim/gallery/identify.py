"""Say who is on a photo: somebody enrolled in a gallery, or a stranger."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facesim.bulk import embed_groups, one_by_one
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError
from facesim.gallery.reading import GalleryReader
from facesim.gallery.rows import Match
from facesim.gallery.store import Gallery
from facesim.gallery.templates import Templates
from facesim.gallery.thresholds import default_threshold, strangers_named, threshold_among
from facesim.model_info import ModelInfo
from facesim.photo import Photo, PhotoSource
from facesim.verifier import Verifier, probability_text

WEIGHED = 20  # nearest faces that a probability is computed from; farther ones hardly matter


@dataclass(frozen=True, slots=True)
class Identified:
    """Who a face is: `name`, or None where nobody enrolled lies under the threshold."""

    face: FoundFace
    name: str | None
    nearest: Match | None  # the nearest person's template, and their nearest photo; None: nobody is enrolled
    probability: float  # that it is the nearest one's person, by `probabilities`
    threshold: float

    @property
    def probability_text(self) -> str:
        """Return the probability as a percentage that claims no certainty."""
        return probability_text(self.probability)

    @property
    def outdone(self) -> bool:
        """Return whether the name went to another face of the photo, which matches it better."""
        return self.name is None and _distance(self) < self.threshold

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON has it."""
        nearest = self.nearest
        return {
            "photo": self.face.photo,
            "box": self.face.box._asdict(),
            "name": self.name,
            "distance": nearest and nearest.distance,
            "probability": self.probability,
            "threshold": self.threshold,
            "nearest": nearest and {"name": nearest.name, "photo": nearest.photo},
            "warnings": list(self.face.warnings),
        }


class Identifier:
    """Identifies faces by a gallery: those of photos, or, with `identify_embedded`, those embedded already."""

    def __init__(
        self,
        gallery: Gallery | GalleryReader,
        verifier: Verifier,
        fmr: float | None = None,
        selection: str = "all",
        quick: bool = False,
        allow_twice: bool = False,
    ):
        """Name a face under the threshold at which at most 1 % of strangers are named, or at most `fmr` of them.

        Where the model has none so strict for so many people, its strictest is used, and `strangers_named` says what
        that promises; with `fmr`, FaceSimError is raised instead. Without `fmr`, a threshold that the verifier was
        given counts.

        `selection` says which of a photo's faces count, as in `Verifier.verify`. With `quick`, faces are detected in a
        single pass, as frames of a video need it. On a photo, a name is given once, to the closest of the faces that
        match it, and the others are unknown; with `allow_twice`, as for a collage, each face that matches gets it.
        """
        self._verifier = verifier
        self._selection, self._quick, self._allow_twice = selection, quick, allow_twice
        self.enrolled = len(gallery.names())  # people
        self.info = verifier.model.info
        self._templates = Templates(gallery, self.info.threshold)
        if fmr is not None:
            self.threshold = threshold_among(self.info, fmr, self.enrolled)
        elif verifier.given_threshold is not None:
            self.threshold = verifier.given_threshold
        else:
            self.threshold = default_threshold(self.info, self.enrolled)

    def identify(self, photo: PhotoSource | Photo) -> list[Identified]:
        """Say who each face of a photo is; raises FaceSimError where it cannot be read, NoFaceError without a face."""
        return self.identify_embedded(self._embed(photo))

    def identify_many(self, photos: Iterable[PhotoSource]) -> Iterator[list[Identified] | FaceSimError]:
        """Yield what `identify` says of each photo, or the error in its place, in order; all cores work on them."""
        for embedded in embed_groups(one_by_one(photos), self._embed, self._verifier.model.threads):
            yield embedded if isinstance(embedded, FaceSimError) else self.identify_embedded(embedded[0])

    def identify_embedded(self, embedded: EmbeddedPhoto) -> list[Identified]:
        """Say who each face of an embedded photo is."""
        found = [self._identify_face(face, embedding) for face, embedding in zip(*embedded, strict=True)]
        return found if self._allow_twice else _name_once(found)

    def _embed(self, photo: PhotoSource | Photo) -> EmbeddedPhoto:
        return self._verifier.embed_faces(photo, self._selection, quick=self._quick)

    def _identify_face(self, face: FoundFace, embedding: np.ndarray) -> Identified:
        matches = self._templates.nearest(embedding, WEIGHED)
        if not matches:
            return Identified(face, None, None, 0.0, self.threshold)
        nearest = matches[0]
        name = nearest.name if nearest.distance < self.threshold else None
        probability = probabilities(self.info, matches, self.enrolled)[nearest.name]
        return Identified(face, name, nearest, probability, self.threshold)

    def strangers_named(self) -> float:
        """Return the share of strangers that match anybody, by the model's FMR and the number of enrolled people."""
        return strangers_named(self.info, self.threshold, self.enrolled)


def _name_once(found: list[Identified]) -> list[Identified]:
    """Return the faces of a photo, each name being left only to the closest of those that have it."""
    closest = {face.name: face for face in sorted(found, key=_distance, reverse=True)}  # the last of a name stays
    return [face if face is closest[face.name] else dataclasses.replace(face, name=None) for face in found]


def _distance(face: Identified) -> float:
    return face.nearest.distance if face.nearest else math.inf


def probabilities(info: ModelInfo, matches: Sequence[Match], enrolled: int) -> dict[str | None, float]:
    """Return the probability of each name for a face, given its distances to the nearest of `enrolled` people or faces.

    By Bayes' rule. The prior is 1/2 for a stranger, and the other half is shared evenly among those enrolled; the
    likelihood ratio of a distance, genuine to impostor, comes from the model's calibration.
    """
    odds = [info.odds(match.distance) for match in matches]
    whole = max(enrolled, len(matches)) + math.fsum(odds)
    shares: dict[str | None, float] = {}
    for match, share in zip(matches, odds, strict=True):
        shares[match.name] = shares.get(match.name, 0.0) + share / whole
    return shares
