"""One template for each person, made of all photos that are enrolled of them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facesim.errors import FaceSimError
from facesim.gallery.reading import GalleryReader
from facesim.gallery.rows import Match
from facesim.gallery.store import Gallery

# Of a model's squared threshold: by how much averaging many faces lowers squared distances. With it, strangers are
# named about as rarely with five photos of each person as with one: `python benchmarks/templates.py`.
AVERAGED = 0.2


@dataclass(frozen=True, slots=True)
class Template:
    """The mean of a person's embeddings, scaled to unit length."""

    centre: np.ndarray  # (d,) float32
    count: int  # of the embeddings

    def distance(self, embedding: np.ndarray, threshold: float) -> float:
        """Return the distance of an embedding, `(d,)`, on the scale of two single photos.

        A mean lies nearer than a single face to everybody, strangers too. What is added makes up for that, so that one
        threshold serves people with one photo and with many. It is measured by the model's own `threshold`.
        """
        averaged = AVERAGED * threshold**2 * (1 - 1 / self.count)
        return float(np.sqrt(np.square(embedding - self.centre).sum() + averaged))


def make_template(embeddings: np.ndarray) -> Template:
    """Return the template of a person's faces, by their embeddings, `(n, d)`."""
    mean = embeddings.mean(axis=0)
    return Template(mean / np.linalg.norm(mean), len(embeddings))


class Templates:
    """The templates of a gallery's people, each made when it is first needed, and again once the gallery changes."""

    def __init__(self, gallery: Gallery | GalleryReader, threshold: float):
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
        if not names:
            return
        try:
            rows = list(self._gallery.rows(faces_only=True, names=names))
        except FaceSimError:  # another process may have deleted the files it was about to read
            rows = list(self._gallery.rows(faces_only=True, names=names))
        embeddings: dict[str | None, list[np.ndarray | None]] = {}
        for row in rows:
            embeddings.setdefault(row.name, []).append(row.embedding)
        self._made |= {name: make_template(np.array(theirs)) for name, theirs in embeddings.items()}
