"""Draw what training sees: crops as a verdict gets them, and beside each what augmentation makes of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from facesim.data.dataset import Dataset
from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.drawing.palette import INK, PAPER
from facesim.errors import FaceSimError
from facesim.photo import open_photo
from facesim.text import printable
from facesim.training.augment import augment

AUGMENTED = 9  # crops beside each

_GAP, _LINE, _LETTERS = 6, 20, 80


def draw_preview(
    dataset: Dataset, selected: np.ndarray, rows: int = 8, seed: int = 0, strength: float = 1.0
) -> Image.Image:
    """Return a picture of `rows` of the photos selected, `selected` `(n,) bool`, drawn with `seed`, of as many people.

    A row holds the crop that a verdict is given on, then nine augmented ones; photos without a face are passed over.

    Raises FaceSimError where no photo shows a face.
    """
    random = torch.Generator().manual_seed(seed)
    step = CROP_SIZE + _GAP
    strips = []
    for photo, wide in _some_wide_crops(dataset, selected, rows, seed):
        crops, _ = augment(torch.from_numpy(wide).expand(AUGMENTED, -1, -1, -1), random, strength)
        crops = np.concatenate([centre_crop(wide)[None], crops.round().byte().numpy()])
        strip = Image.new("RGB", (_GAP + (AUGMENTED + 1) * step, _LINE + step), PAPER)
        for column, crop in enumerate(crops):
            strip.paste(Image.fromarray(crop), (_GAP + column * step, _LINE))
        _write(strip, f"{dataset.identities[photo]}   {Path(dataset.photos[photo]).name}")
        strips.append(strip)
    if not strips:
        raise FaceSimError(f"{dataset.name}: no photo that counts shows a face; see facesim inspect.")
    picture = Image.new("RGB", (strips[0].width, len(strips) * strips[0].height), PAPER)
    for row, strip in enumerate(strips):
        picture.paste(strip, (0, row * strip.height))
    return picture


def _some_wide_crops(dataset: Dataset, selected: np.ndarray, count: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield up to `count` photos and their wide crops, nobody twice before everybody once."""
    photos = np.random.default_rng(seed).permutation(np.flatnonzero(selected))
    times, before = Counter(), []
    for name in dataset.identities[photos].tolist():
        before.append(times[name])
        times[name] += 1
    for photo in photos[np.argsort(before, kind="stable")].tolist():
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


def _write(strip: Image.Image, words: str) -> None:
    ImageDraw.Draw(strip).text((_GAP, 3), printable(words)[:_LETTERS], INK, ImageFont.load_default(13))
