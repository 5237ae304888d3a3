"""Draw pairs of faces with their distance and verdict."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facesim.data.pairs import Pairs
from facesim.face import CROP_SIZE, centre_crop
from facesim.picture import GREEN, INK, PAPER, RED

_SIDE, _GAP, _CAPTION = CROP_SIZE // 2, 8, 18


def draw_pairs(
    wide_crops: np.ndarray, pairs: Pairs, distances: np.ndarray, threshold: float, columns: int = 4
) -> Image.Image:
    """Draw `pairs`, framed green where the verdict at `threshold` is right, red where it is wrong or shows no face."""
    rows = -(-len(pairs) // columns)
    width, height = 2 * _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    picture = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    shown = zip(pairs.first, pairs.second, pairs.same, distances, strict=True)
    for i, (first, second, same, distance) in enumerate(shown):
        left, top = _GAP + i % columns * width, _GAP + i // columns * height
        for place, photo in enumerate((first, second)):
            crop = Image.fromarray(centre_crop(wide_crops[photo])).resize((_SIDE, _SIDE))
            picture.paste(crop, (left + place * _SIDE, top))
        right = not np.isnan(distance) and (distance < threshold) == same
        frame = (left - 2, top - 2, left + 2 * _SIDE + 1, top + _SIDE + 1)
        draw.rectangle(frame, outline=GREEN if right else RED, width=2)
        words = "same, " if same else "different, "
        words += "no face" if np.isnan(distance) else f"{distance:.3f}"
        draw.text((left, top + _SIDE + 2), words, INK, ImageFont.load_default(12))
    return picture
