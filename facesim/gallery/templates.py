"""One template for each person, made of all photos that are enrolled of them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facesim.detector.box import Box
from facesim.detector.quality import SIDE
from facesim.gallery.rows import FaceRow, Match
from facesim.gallery.store import Gallery

# `python benchmarks/templates.py` measures the effect of these.
POOR_WEIGHT = 0.5  # of a face under `SIDE` pixels wide, which enrolment warns of, beside others
AVERAGED = 0.2  # of a model's squared threshold: by how much averaging many faces lowers squared distances


@dataclass(frozen=True, slots=True)
class Template:
    """The weighted mean of a person's embeddings, scaled to unit length.

    A mean lies nearer than a single face to everybody, strangers too. `averaged` says how much of that to allow for: 0
    for one face, 1 - 1/n for n faces of equal weight.
    """

    centre: np.ndarray  # (d,) float32
    averaged: float

    def distance(self, embedding: np.ndarray, threshold: float) -> float:
        """Return the distance of an embedding, `(d,)`, on the scale of two single photos.

        `threshold` is the model's own, which says how large its distances are.
        """
        square = np.square(embedding - self.centre).sum() + AVERAGED * threshold**2 * self.averaged
        return float(np.sqrt(square))


def make_template(embeddings: np.ndarray, weights: np.ndarray) -> Template:
    """Return the template of a person's faces: their embeddings, `(n, d)`, and `weights`, `(n,)`."""
    weights = (weights / weights.sum()).astype(np.float32)
    mean = weights @ embeddings
    return Template(mean / np.linalg.norm(mean), 1 - float(np.square(weights).sum()))


def weight(box: Box) -> float:
    """Return how much a face with this box counts among a person's faces."""
    return POOR_WEIGHT if box.side < SIDE else 1.0


class Templates:
    """The templates of a gallery's people, each made when it is first needed, and again once the gallery changes."""

    def __init__(self, gallery: Gallery, threshold: float):
        self._gallery, self._threshold = gallery, threshold  # the model's own
        self._made: dict[str | None, Template] = {}
        self._version = gallery.version  # that they were made from

    def nearest(self, embedding: np.ndarray, k: int) -> list[Match]:
        """Return the people of the `k` enrolled faces nearest to an embedding, `(d,) float32`, the nearest first.

        Each comes once, with the distance of the template and the nearest of the person's faces.
        """
        faces: dict[str | None, Match] = {}
        for face in self._gallery.nearest(embedding, k, named=True):
            faces.setdefault(face.name, face)
        if self._version != self._gallery.version:
            self._made, self._version = {}, self._gallery.version
        self._make([name for name in faces if name and name not in self._made])
        matches = [
            dataclasses.replace(face, distance=self._made[name].distance(embedding, self._threshold))
            for name, face in faces.items()
            if name in self._made  # not forgotten meanwhile
        ]
        return sorted(matches, key=lambda match: match.distance)

    def _make(self, names: Sequence[str]) -> None:
        rows: dict[str | None, list[FaceRow]] = {}
        for row in self._gallery.rows(faces_only=True, names=names) if names else ():
            rows.setdefault(row.name, []).append(row)
        for name, theirs in rows.items():
            weights = np.array([weight(row.face.box) for row in theirs])
            self._made[name] = make_template(np.array([row.embedding for row in theirs]), weights)
