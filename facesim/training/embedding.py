"""Embed cached crops with the network as it is."""

from collections.abc import Callable

import numpy as np
import torch
from tqdm import tqdm

from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs
from facesim.detector.crop import centre_crop
from facesim.training.augment import augment
from facesim.training.network import SiameseNet

BATCH = 64  # crops


@torch.inference_mode()
def embed_photos(net: SiameseNet, wide_crops: np.ndarray, photos: np.ndarray, mirror: bool | None = None) -> np.ndarray:
    """Embed the unaugmented crops of `photos`, `(n,)`: `(n, d) float32`.

    `mirror` is as in `SiameseNet.embed`: without, half the time, and nearly as good.
    """
    net.eval()
    device = net.rgb_mean.device
    embeddings = []
    for start in tqdm(range(0, len(photos), BATCH), "embedding", unit="batch", leave=False):
        crops = torch.from_numpy(centre_crop(wide_crops[photos[start : start + BATCH]])).to(device)
        embeddings.append(net.embed(crops, mirror).cpu())
    return torch.cat(embeddings).numpy()


@torch.inference_mode()
def changed_distances(net: SiameseNet, crops: CachedCrops, pairs: Pairs) -> np.ndarray:
    """Return the distances of pairs, `(n,)`, whose second photo is changed as augmentation changes it, always alike.

    NaN where one of the photos shows no face.
    """
    firsts, seconds = np.unique(pairs.first), np.unique(pairs.second)
    random, changed = torch.Generator().manual_seed(0), []
    for start in range(0, len(seconds), BATCH):
        worse, _ = augment(torch.from_numpy(crops.wide[seconds[start : start + BATCH]]), random)
        changed.append(net.embed(worse.to(net.rgb_mean.device)).cpu())
    first = embed_photos(net, crops.wide, firsts)[np.searchsorted(firsts, pairs.first)]
    second = torch.cat(changed).numpy()[np.searchsorted(seconds, pairs.second)]
    usable = crops.usable[pairs.first] & crops.usable[pairs.second]
    return np.where(usable, np.linalg.norm(first - second, axis=1), np.nan)


def distances_among(
    net: SiameseNet, crops: CachedCrops, photos: np.ndarray, mirror: bool | None = None
) -> Callable[[Pairs], np.ndarray]:
    """Embed the sorted `photos`, `(n,)`, once; return a function from pairs of them to distances.

    A distance is NaN where one of the photos shows no face.
    """
    embeddings, usable = embed_photos(net, crops.wide, photos, mirror), crops.usable

    def distances(pairs: Pairs) -> np.ndarray:
        found = usable[pairs.first] & usable[pairs.second]
        return np.where(found, pairs.distances(photos, embeddings), np.nan)

    return distances
