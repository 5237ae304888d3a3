"""Embed cached crops with the network as it is."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs
from facesim.detector.crop import centre_crop
from facesim.training.augment import augment
from facesim.training.network import SiameseNet

BATCH = 64  # crops

_Cut = Callable[[np.ndarray], Tensor]  # from wide crops to crops, `(b, 160, 160, 3)` 0..255


def embed_photos(net: SiameseNet, crops: CachedCrops, photos: np.ndarray, mirror: bool | None = None) -> np.ndarray:
    """Embed the unaugmented crops of `photos`, `(n,)`: `(n, d) float32`, NaN where a photo shows no face.

    `mirror` is as in `SiameseNet.embed`: without it, embedding takes half the time and is nearly as good.
    """
    return _embed(net, crops, photos, lambda wide: torch.from_numpy(centre_crop(wide)), mirror)


def pair_distances(net: SiameseNet, crops: CachedCrops, pairs: Pairs, mirror: bool | None = None) -> np.ndarray:
    """Embed the photos of `pairs` and return the distances, `(n,)`, NaN where one of the photos shows no face."""
    photos = pairs.photos()
    return pairs.distances(photos, embed_photos(net, crops, photos, mirror))


def degraded_distances(
    net: SiameseNet, crops: CachedCrops, pairs: Pairs, photos: np.ndarray, embeddings: np.ndarray
) -> np.ndarray:
    """Return the distances of `pairs`, `(n,)`, with each second photo degraded by augmentation, always in the same way.

    The first photos are among the sorted `photos` `(m,)`, whose embeddings `(m, d)` are given. A distance is NaN where
    one of its photos shows no face.
    """
    random, seconds = torch.Generator().manual_seed(0), np.unique(pairs.second)
    degraded = _embed(net, crops, seconds, lambda wide: augment(torch.from_numpy(wide), random)[0], None)
    differences = embeddings[np.searchsorted(photos, pairs.first)] - degraded[np.searchsorted(seconds, pairs.second)]
    return np.linalg.norm(differences, axis=1)


@torch.inference_mode()
def _embed(net: SiameseNet, crops: CachedCrops, photos: np.ndarray, cut: _Cut, mirror: bool | None) -> np.ndarray:
    net.eval()
    embeddings = []
    for start in tqdm(range(0, len(photos), BATCH), "embedding", unit="batch", leave=False, disable=None):
        batch = cut(crops.wide[photos[start : start + BATCH]]).to(net.rgb_mean.device)
        embeddings.append(net.embed(batch, mirror).cpu())
    embedded = torch.cat(embeddings).numpy()
    embedded[~crops.usable[photos]] = np.nan
    return embedded
