"""Embed cached crops with the network as it is."""

from collections.abc import Callable

import numpy as np
import torch
from tqdm import tqdm

from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs
from facesim.detector.crop import centre_crop
from facesim.training.network import SiameseNet, to_unit

BATCH = 64  # crops


@torch.inference_mode()
def embed_photos(net: SiameseNet, wide_crops: np.ndarray, photos: np.ndarray, mirrored: bool = True) -> np.ndarray:
    """Embed the unaugmented crops of `photos`, `(n,)`: `(n, 129) float32`.

    Without `mirrored`, each is described only once, which takes half the time and is nearly as good.
    """
    net.eval()
    device = net.chip_grid.device
    embeddings = []
    for start in tqdm(range(0, len(photos), BATCH), "embedding", unit="batch", leave=False):
        crops = torch.from_numpy(centre_crop(wide_crops[photos[start : start + BATCH]])).to(device)
        embeddings.append((net.embed(crops) if mirrored else to_unit(net.describe(net.normalise(crops)))).cpu())
    return torch.cat(embeddings).numpy()


def distances_among(
    net: SiameseNet, crops: CachedCrops, photos: np.ndarray, mirrored: bool = True
) -> Callable[[Pairs], np.ndarray]:
    """Embed the sorted `photos`, `(n,)`, once; return a function from pairs of them to distances.

    A distance is NaN where one of the photos shows no face.
    """
    embeddings, usable = embed_photos(net, crops.wide, photos, mirrored), crops.usable

    def distances(pairs: Pairs) -> np.ndarray:
        found = usable[pairs.first] & usable[pairs.second]
        return np.where(found, pairs.distances(photos, embeddings), np.nan)

    return distances
