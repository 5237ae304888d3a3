"""Compare two photos, or embed many."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.errors import FaceSimError, NoFaceError
from facesim.face import Box, centre_crop, cut_wide_crop, find_faces
from facesim.model import Model
from facesim.photo import open_photo


@dataclass(frozen=True, slots=True)
class FoundFace:
    """The face that was compared: its box in the upright photo, and how many faces the photo shows."""

    photo: str
    box: Box
    faces: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether two photos show one person: same iff distance < threshold."""

    same: bool
    distance: float  # Euclidean, between unit embeddings, 0 to 2
    threshold: float
    probability: float  # that they show one person, were half of all pairs genuine
    face1: FoundFace
    face2: FoundFace
    model: str

    @property
    def probability_text(self) -> str:
        """Return the probability as a percentage that claims no certainty."""
        if self.probability < 0.001:
            return "under 0.1 %"
        if self.probability > 0.999:
            return "over 99.9 %"
        return f"{100 * self.probability:.1f} %"


class Verifier:
    """A model, ready to compare photos: `verify` two, or `embed` many."""

    def __init__(self, model: Model | str | Path | None = None, threshold: float | None = None, gpu: int = -1):
        """Use the model that ships, or the one given, with its own threshold or another, on the CPU or GPU `gpu`.

        Raises FaceSimError when the model cannot be used or the threshold is not a number.
        """
        self.model = model if isinstance(model, Model) else Model(model, gpu)
        try:
            self.threshold = self.model.info.threshold if threshold is None else float(threshold)
        except (TypeError, ValueError):
            self.threshold = math.nan
        if not math.isfinite(self.threshold):
            raise FaceSimError(f"the threshold {threshold} is not a finite number: distances lie between 0 and 2.")

    def verify(self, photo1: str | Path, photo2: str | Path) -> Verdict:
        """Say whether two photos show one person; in each, the main face counts.

        Raises FaceSimError when a photo cannot be read, and NoFaceError when it shows no face.
        """
        (face1, crop1), (face2, crop2) = find_main_face(photo1), find_main_face(photo2)
        first, second = self.model.embed(np.stack([crop1, crop2]))
        distance = float(np.linalg.norm(first - second))
        probability = self.model.info.probability(distance)
        same = distance < self.threshold
        return Verdict(same, distance, self.threshold, probability, face1, face2, str(self.model.path))

    def embed(self, photos: Iterable[str | Path]) -> np.ndarray:
        """Embed the main face of each photo: `(n, d) float32`, of unit length.

        Raises FaceSimError when a photo cannot be read, and NoFaceError when it shows no face.
        """
        crops = [find_main_face(photo)[1] for photo in photos]
        return self.model.embed(np.array(crops, np.uint8))


def find_main_face(path: str | Path) -> tuple[FoundFace, np.ndarray]:
    """Return a photo's main face and its crop, `(160, 160, 3) uint8`.

    Raises FaceSimError when the photo cannot be read, and NoFaceError when it shows no face.
    """
    photo = open_photo(path)
    boxes = find_faces(photo)
    if not boxes:
        raise NoFaceError(f"no face was found in {path}: give a photo in which a face is larger, upright or in view.")
    return FoundFace(str(path), boxes[0], len(boxes)), centre_crop(cut_wide_crop(photo, boxes[0]))
