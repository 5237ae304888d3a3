"""Measure the distances of pairs of photos with a model."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from facesim.cores import cores
from facesim.data.cache import CachedCrops
from facesim.data.embedding_store import EmbeddingStore, crop_digest
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
    """Embed `photos`, `(n,)` indices: `(n, d) float32`, NaN where a photo shows no face.

    What the model has made of a crop before, in whatever data set, is read from the embedding store.
    """
    embeddings = np.full((len(photos), model.embedding_size), np.nan, np.float32)
    with_face = np.flatnonzero(crops.usable[photos])
    with ThreadPoolExecutor(cores()) as pool:
        digests = list(pool.map(lambda photo: crop_digest(centre_crop(crops.wide[photo])), photos[with_face]))
    rows: dict[bytes, int] = {}
    row_of = np.array([rows.setdefault(digest, len(rows)) for digest in digests], int)
    store = EmbeddingStore(model)
    found = store.find(list(rows))
    missing = np.flatnonzero(np.isnan(found).any(axis=1))
    if len(missing):
        store.make_room(len(missing))
    _, first = np.unique(row_of, return_index=True)  # where each crop is shown
    with tqdm(total=len(missing), desc="embedding", unit="face", leave=False, disable=not len(missing) or None) as bar:
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            shown = centre_crop(crops.wide[photos[with_face[first[batch]]]])
            found[batch] = model.embed(shown)
            store.add([crop_digest(crop) for crop in shown], found[batch])
            bar.update(len(batch))
    embeddings[with_face] = found[row_of]
    return embeddings
