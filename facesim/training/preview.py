"""Draw what training sees: crops as for a verdict, each followed by augmented ones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from facesim.data.dataset import Dataset
from facesim.data.identities import rank_within_identity
from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.drawing.palette import INK, PAPER
from facesim.errors import FaceSimError
from facesim.photo import open_photo
from facesim.text import shortened
from facesim.training.augment import augment

AUGMENTED = 9  # crops after each

_GAP, _LINE, _LETTERS = 6, 20, 80


def draw_preview(
    dataset: Dataset, selected: np.ndarray, rows: int = 8, seed: int = 0, strength: float = 1.0
) -> Image.Image:
    """Return a picture of `rows` photos among those selected, `(n,) bool`, drawn with `seed`, of as many people.

    A row holds the crop as for a verdict, then nine augmented ones; photos without a face are skipped.

    Raises FaceSimError if no photo shows a face.
    """
    random = torch.Generator().manual_seed(seed)
    step = CROP_SIZE + _GAP
    found = list(_some_wide_crops(dataset, selected, rows, seed))
    if not found:
        raise FaceSimError(f"{dataset.name}: no photo that counts shows a face; see facesim inspect.")
    picture = Image.new("RGB", (_GAP + (AUGMENTED + 1) * step, len(found) * (_LINE + step)), PAPER)
    for row, (photo, wide) in enumerate(found):
        augmented, _ = augment(torch.from_numpy(wide).expand(AUGMENTED, -1, -1, -1), random, strength)
        crops = np.concatenate([centre_crop(wide)[None], augmented.round().byte().numpy()])
        top = row * (_LINE + step)
        for column, crop in enumerate(crops):
            picture.paste(Image.fromarray(crop), (_GAP + column * step, top + _LINE))
        caption = shortened(f"{dataset.identities[photo]}   {Path(dataset.photos[photo]).name}", _LETTERS)
        ImageDraw.Draw(picture).text((_GAP, top + 3), caption, INK, ImageFont.load_default(13))
    return picture


def _some_wide_crops(dataset: Dataset, selected: np.ndarray, count: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield up to `count` photos and their wide crops, nobody twice before everybody once."""
    photos = np.random.default_rng(seed).permutation(np.flatnonzero(selected))
    ranks = rank_within_identity(dataset.identities[photos], np.arange(len(photos)))
    for photo in photos[np.argsort(ranks, kind="stable")].tolist():
        if not count:
            return
        try:
            opened = open_photo(dataset.root / dataset.photos[photo])
            faces = find_faces(opened)
        except FaceSimError:
            continue
        if faces:
            count -= 1
            yield photo, cut_wide_crop(opened, faces[0])
