"""Say who is on a photo: somebody enrolled in a gallery, or a stranger."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facesim.bulk import embed_groups, one_by_one
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError
from facesim.gallery.rows import Match
from facesim.gallery.store import Gallery
from facesim.model_info import MIN_FALSE_MATCHES, ModelInfo, OperatingPoint
from facesim.photo import Photo, PhotoSource
from facesim.verifier import Verifier, probability_text

WEIGHED = 20  # nearest faces that a probability is computed from; farther ones hardly matter


@dataclass(frozen=True, slots=True)
class Identified:
    """Who a face is: `name`, or None where no enrolled face lies under the threshold."""

    face: FoundFace
    name: str | None
    nearest: Match | None  # None: nobody is enrolled
    probability: float  # that it is the nearest one's person, by `probabilities`
    threshold: float

    @property
    def probability_text(self) -> str:
        """Return the probability as a percentage that claims no certainty."""
        return probability_text(self.probability)

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
        gallery: Gallery,
        verifier: Verifier,
        fmr: float | None = None,
        selection: str = "all",
        quick: bool = False,
    ):
        """Use the verifier's threshold, or the one at which at most `fmr` of all strangers match anybody.

        `selection` says which of a photo's faces count, as in `Verifier.verify`. With `quick`, faces are detected in a
        single pass, as frames of a video need it.

        Raises FaceSimError where the model has no threshold so strict.
        """
        self._gallery, self._verifier = gallery, verifier
        self._selection, self._quick = selection, quick
        self.enrolled = gallery.count_named()
        self.threshold = verifier.threshold
        self.info = verifier.model.info
        if fmr is not None:
            self.threshold = threshold_among(self.info, fmr, self.enrolled)

    def identify(self, photo: PhotoSource | Photo) -> list[Identified]:
        """Say who each face of a photo is; raises FaceSimError where it cannot be read, NoFaceError without a face."""
        return self.identify_embedded(self._embed(photo))

    def identify_many(self, photos: Iterable[PhotoSource]) -> Iterator[list[Identified] | FaceSimError]:
        """Yield what `identify` says of each photo, or the error in its place, in order; all cores work on them."""
        for embedded in embed_groups(one_by_one(photos), self._embed):
            yield embedded if isinstance(embedded, FaceSimError) else self.identify_embedded(embedded[0])

    def identify_embedded(self, embedded: EmbeddedPhoto) -> list[Identified]:
        """Say who each face of an embedded photo is."""
        return [self._identify_face(face, embedding) for face, embedding in zip(*embedded, strict=True)]

    def _embed(self, photo: PhotoSource | Photo) -> EmbeddedPhoto:
        return self._verifier.embed_faces(photo, self._selection, quick=self._quick)

    def _identify_face(self, face: FoundFace, embedding: np.ndarray) -> Identified:
        matches = self._gallery.nearest(embedding, WEIGHED, named=True)
        if not matches:
            return Identified(face, None, None, 0.0, self.threshold)
        nearest = matches[0]
        name = nearest.name if nearest.distance < self.threshold else None
        probability = probabilities(self.info, matches, self.enrolled)[nearest.name]
        return Identified(face, name, nearest, probability, self.threshold)

    def strangers_named(self) -> float:
        """Return the share of strangers that match anybody, by the model's FMR and the number of enrolled faces."""
        rates = [claimed_fmr(point) for point in self.info.operating_points if point.threshold >= self.threshold]
        return 1 - (1 - min(rates, default=1.0)) ** self.enrolled


def threshold_among(info: ModelInfo, fmr: float, enrolled: int) -> float:
    """Return a model's least strict threshold at which at most `fmr` of strangers match any of `enrolled` faces.

    A stranger is compared with each enrolled face, so the model's own FMR must be at most `fmr` / `enrolled` there
    (Bonferroni's bound).

    Raises FaceSimError where the model has no threshold so strict.
    """
    if not 0 < fmr <= 1:
        raise FaceSimError(f"{fmr:g} is no false match rate: give one above 0, and up to 1.")
    strict = [point.threshold for point in info.operating_points if claimed_fmr(point) * enrolled <= fmr]
    if not strict:
        strictest = min((claimed_fmr(point) for point in info.operating_points), default=1.0)
        promise = f"the least that it can promise is {min(1, strictest * enrolled):.2g}"
        raise FaceSimError(
            f"a false match rate of {fmr:g} among {enrolled:,} enrolled faces takes a threshold whose own is "
            f"{fmr / max(1, enrolled):.1g}; the model's strictest has {strictest:.1g}: {promise}."
        )
    return max(strict)


def probabilities(info: ModelInfo, matches: Sequence[Match], enrolled: int) -> dict[str | None, float]:
    """Return the probability of each name for a face, given its distances to the nearest of `enrolled` faces.

    By Bayes' rule. The prior is 1/2 for a stranger, and the other half is shared evenly among the enrolled faces; the
    likelihood ratio of a distance, genuine to impostor, comes from the model's calibration.
    """
    odds = [info.odds(match.distance) for match in matches]
    whole = max(enrolled, len(matches)) + math.fsum(odds)
    shares: dict[str | None, float] = {}
    for match, share in zip(matches, odds, strict=True):
        shares[match.name] = shares.get(match.name, 0.0) + share / whole
    return shares


def claimed_fmr(point: OperatingPoint) -> float:
    """Return an operating point's FMR, but none so low that it would rest on too few false matches."""
    return max(point.fmr, MIN_FALSE_MATCHES / max(1, point.impostor))
