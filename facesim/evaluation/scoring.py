"""Measure the distances of pairs of photos with a model."""

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from facesim.data.cache import CachedCrops
from facesim.data.pairs import join_pairs
from facesim.detector.crop import centre_crop
from facesim.evaluation.protocol import Protocol
from facesim.model import Model

BATCH = 64  # crops


@dataclass(frozen=True, slots=True)
class Scores:
    """A protocol's distances under a model; NaN where a photo shows no face."""

    protocol: Protocol
    crops: CachedCrops
    distances: np.ndarray  # (n,) of protocol.pairs
    development: np.ndarray | None  # (m,) of protocol.development, where it has them


def score(protocol: Protocol, model: Model, crops: CachedCrops | None = None) -> Scores:
    """Cut the faces in a protocol's pairs (or read them from the cache), embed them, and measure the pairs.

    `crops` are those of the photos in its pairs, if they have already been read.
    """
    parts = [pairs for pairs in (protocol.pairs, protocol.development) if pairs is not None]
    pairs = join_pairs(parts)
    photos = pairs.photos()
    crops = crops or protocol.source.crops(photos)
    distances = pairs.distances(photos, embed_crops(model, crops, photos))
    count = len(protocol.pairs)
    return Scores(protocol, crops, distances[:count], distances[count:] if len(parts) > 1 else None)


def embed_crops(model: Model, crops: CachedCrops, photos: np.ndarray) -> np.ndarray:
    """Embed `photos`, `(n,)` indices: `(n, d) float32`, NaN where a photo shows no face."""
    embeddings = np.full((len(photos), model.embedding_size), np.nan, np.float32)
    with_face = np.flatnonzero(crops.usable[photos])
    with tqdm(total=len(with_face), desc="embedding", unit="face", leave=False) as bar:
        for start in range(0, len(with_face), BATCH):
            rows = with_face[start : start + BATCH]
            embeddings[rows] = model.embed(centre_crop(crops.wide[photos[rows]]))
            bar.update(len(rows))
    return embeddings
