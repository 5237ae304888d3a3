"""Lay out embeddings in two dimensions: faces that a model finds similar lie close together."""

from dataclasses import dataclass

import numpy as np

from facesim.data.cache import CachedCrops, cached_crops
from facesim.data.dataset import Dataset
from facesim.errors import FaceSimError
from facesim.evaluation.scoring import embed_crops
from facesim.model import Model

METHODS = ("pca", "tsne")
MIN_EMBEDDINGS = 3  # two always lie on a line
FEW = 500  # points that one thread lays out in about a second; several threads would mostly wait for each other
PERPLEXITY = 30  # of t-SNE, roughly the number of neighbours of each point; scikit-learn's default


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """Embeddings as points in a plane."""

    method: str
    points: np.ndarray  # (n, 2) float
    explained_variance: tuple[float, float] | None  # of both components, each a share of the whole; None for t-SNE


@dataclass(frozen=True, slots=True)
class PhotoMap:
    """A map of the photos of a data set, or of a random sample of them."""

    dataset: Dataset
    crops: CachedCrops
    photos: np.ndarray  # (n,) int, ascending: those on the map
    map: EmbeddingMap

    @property
    def identities(self) -> np.ndarray:
        """Return who is on each photo of the map, `(n,) str`, "" where that is unknown."""
        return self.dataset.identities[self.photos]


def map_photos(dataset: Dataset, model: Model, method: str = "pca", count: int = 2000, seed: int = 0) -> PhotoMap:
    """Map at most `count` of the photos that show a face, drawn with `seed`; no others are cut.

    Raises FaceSimError where fewer than three do.
    """
    crops = _draw_crops(dataset, count, seed)
    photos = np.flatnonzero(crops.usable)
    if len(photos) < MIN_EMBEDDINGS:
        raise FaceSimError(
            f"{dataset.root} has too few photos that show a face, {len(photos)}: a map needs {MIN_EMBEDDINGS}."
        )
    return PhotoMap(dataset, crops, photos, map_embeddings(embed_crops(model, crops, photos), method, seed))


def _draw_crops(dataset: Dataset, count: int, seed: int) -> CachedCrops:
    """Cut photos, drawn with `seed`, until `count` of them show a face or there are no more."""
    order = np.random.default_rng(seed).permutation(len(dataset.photos))
    looked_at = count
    while True:
        crops = cached_crops(dataset, order[:looked_at])
        lacking = count - int(crops.usable.sum())
        if not lacking or looked_at >= len(order):
            return crops
        looked_at += lacking


def map_embeddings(embeddings: np.ndarray, method: str = "pca", seed: int = 0) -> EmbeddingMap:
    """Lay out embeddings, `(n, d) float`, by principal components ("pca") or t-SNE ("tsne", van der Maaten 2008).

    Raises FaceSimError for fewer than three embeddings, if all are the same, if some are not finite (those of photos
    without a face are NaN: leave them out), and for an unknown method.
    """
    embeddings = np.asarray(embeddings, float)
    if method not in METHODS:
        raise FaceSimError(f"{method} is not a way to draw a map: give {' or '.join(METHODS)}.")
    if embeddings.ndim != 2 or len(embeddings) < MIN_EMBEDDINGS or embeddings.shape[1] < 2:
        raise FaceSimError(f"a map needs {MIN_EMBEDDINGS} embeddings or more, (n, d), not an array {embeddings.shape}.")
    if not np.isfinite(embeddings).all():
        raise FaceSimError("some embeddings are not finite: leave out the photos that show no face.")
    if not np.ptp(embeddings, axis=0).any():
        raise FaceSimError(f"all {len(embeddings)} embeddings are the same: there is nothing to lay out.")
    if method == "pca":
        from sklearn.decomposition import PCA  # it takes over a second, once the faces are embedded

        components = PCA(2, svd_solver="full")
        points = components.fit_transform(embeddings)
        first, second = components.explained_variance_ratio_.tolist()
        return EmbeddingMap(method, points, (first, second))
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(PERPLEXITY, (len(embeddings) - 1) / 3)
    with threadpool_limits(1 if len(embeddings) <= FEW else None):
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(embeddings)
    return EmbeddingMap(method, points.astype(float), None)
