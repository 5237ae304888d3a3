"""Find the photos whose faces are nearest to a face."""

from dataclasses import dataclass

import numpy as np

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.detector.selection import FoundFace
from facesim.errors import FaceSimError
from facesim.evaluation.scoring import embed_crops
from facesim.files import same_file
from facesim.model import Model


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest embeddings and their distances, nearest first."""

    indices: np.ndarray  # (k,) int
    distances: np.ndarray  # (k,) float, ascending


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the photos nearest to a query."""

    photo: int  # index of dataset.photos
    distance: float
    same: bool  # whether the model calls it the same person as the query
    identity: str  # "" where it is unknown
    same_identity: bool | None  # whether its identity is the query's; None where either is unknown


@dataclass(frozen=True, slots=True)
class PhotoNeighbours:
    """The photos of a data set that are nearest to a query's main face."""

    query: FoundFace
    query_crop: np.ndarray  # (160, 160, 3) uint8
    query_identity: str  # "" where it is unknown
    dataset: Dataset
    crops: CachedCrops
    neighbours: Neighbours  # indices of dataset.photos
    searched: int  # photos with a face, without the query itself
    threshold: float  # of the model: same iff distance < threshold

    def ranked(self) -> list[Neighbour]:
        """Return the neighbours one by one, nearest first."""
        ranked = []
        for photo, distance in zip(self.neighbours.indices.tolist(), self.neighbours.distances.tolist(), strict=True):
            identity = str(self.dataset.identities[photo])
            same_identity = identity == self.query_identity if identity and self.query_identity else None
            ranked.append(Neighbour(photo, distance, distance < self.threshold, identity, same_identity))
        return ranked


def nearest(query: np.ndarray, embeddings: np.ndarray, k: int) -> Neighbours:
    """Return the `k` rows of `embeddings`, `(n, d) float`, nearest to `query`, `(d,)`; all of them if there are fewer.

    A row of NaN (no face) is never a neighbour. Of equally near rows, the one with the lower index comes first.

    Raises FaceSimError where the shapes do not match, or `k` is less than one.
    """
    query, embeddings = np.asarray(query, float), np.asarray(embeddings, float)
    if query.ndim != 1 or embeddings.ndim != 2 or embeddings.shape[1] != len(query):
        raise FaceSimError(f"a query {query.shape} and embeddings {embeddings.shape} must be (d,) and (n, d).")
    if k < 1:
        raise FaceSimError(f"{k} neighbours cannot be found: ask for one or more.")
    distances = np.linalg.norm(embeddings - query, axis=1)
    order = np.argsort(distances, kind="stable")[: min(k, int((~np.isnan(distances)).sum()))]  # NaN is sorted last
    return Neighbours(order, distances[order])


def find_neighbours(
    query: FoundFace,
    query_crop: np.ndarray,
    dataset: Dataset,
    crops: CachedCrops,
    model: Model,
    k: int = 5,
    identity: str = "",
) -> PhotoNeighbours:
    """Find the photos of `dataset` nearest to a face that `find_main_face` has found.

    If the query is one of the data set's own files, it is left out, and its identity is taken from there.

    Raises FaceSimError where no other photo shows a face.
    """
    own = np.array([same_file(query.photo, path) for path in dataset.paths()])
    if own.any() and not identity:
        identity = str(dataset.identities[own][0])
    photos = np.flatnonzero(crops.usable & ~own)
    if not len(photos):
        raise FaceSimError(f"{dataset.root} has no other photo that shows a face: {query.photo} has no neighbour.")
    found = nearest(model.embed(query_crop[None])[0], embed_crops(model, crops, photos), k)
    neighbours = Neighbours(photos[found.indices], found.distances)
    threshold = model.info.threshold
    return PhotoNeighbours(query, query_crop, identity, dataset, crops, neighbours, len(photos), threshold)
