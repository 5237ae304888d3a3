"""Draw pairs of faces with their distance and verdict."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facesim.data.cache import WideCrops
from facesim.data.pairs import Pairs
from facesim.detector.crop import CROP_SIZE, centre_crop
from facesim.drawing.palette import GREEN, INK, PAPER, RED

_SIDE, _GAP, _CAPTION, _TITLE = CROP_SIZE // 2, 8, 18, 26


def draw_pairs(
    wide_crops: WideCrops, pairs: Pairs, distances: np.ndarray, threshold: float, columns: int = 4
) -> Image.Image:
    """Draw `pairs`, framed green where the verdict at `threshold` is right, red where it is wrong or shows no face."""
    captions, right = [], []
    for same, distance in zip(pairs.same, distances, strict=True):
        found = not np.isnan(distance)
        captions.append(f"{'same' if same else 'different'}, {f'{distance:.3f}' if found else 'no face'}")
        right.append(found and (distance < threshold) == same)
    return draw_grid(wide_crops, pairs, captions, right, columns)


def draw_grid(
    wide_crops: WideCrops, pairs: Pairs, captions: Sequence[str], right: Sequence[bool], columns: int = 4
) -> Image.Image:
    """Draw `pairs` with a caption each, framed green where `right`, red elsewhere."""
    rows = -(-len(pairs) // columns)
    width, height = 2 * _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    picture = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    shown = zip(pairs.first, pairs.second, captions, right, strict=True)
    for i, (first, second, caption, is_right) in enumerate(shown):
        left, top = _GAP + i % columns * width, _GAP + i // columns * height
        for place, photo in enumerate((first, second)):
            crop = Image.fromarray(centre_crop(wide_crops[photo])).resize((_SIDE, _SIDE))
            picture.paste(crop, (left + place * _SIDE, top))
        frame = (left - 2, top - 2, left + 2 * _SIDE + 1, top + _SIDE + 1)
        draw.rectangle(frame, outline=GREEN if is_right else RED, width=2)
        draw.text((left, top + _SIDE + 2), caption, INK, ImageFont.load_default(12))
    return picture


def stack_titled(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Put pictures underneath one another, each under its title."""
    picture = Image.new("RGB", (max(p.width for _, p in parts), sum(p.height + _TITLE for _, p in parts)), PAPER)
    top = 0
    for title, part in parts:
        ImageDraw.Draw(picture).text((_GAP, top + _GAP), title, INK, ImageFont.load_default(15))
        picture.paste(part, (0, top + _TITLE))
        top += part.height + _TITLE
    return picture


def draw_right_and_wrong(
    wide_crops: WideCrops, pairs: Pairs, distances: np.ndarray, threshold: float, most: int = 12
) -> Image.Image:
    """Draw up to `most` pairs that `threshold` gets wrong, the worst first, and as many it gets right, of both kinds.

    Pairs without a face (NaN) are wrong, and the last of them.
    """
    right = ~np.isnan(distances) & ((distances < threshold) == pairs.same)
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-np.abs(distances[wrong] - threshold), kind="stable")]
    genuine, impostor = np.flatnonzero(right & pairs.same), np.flatnonzero(right & ~pairs.same)
    parts = []
    for title, places, count in (
        ("wrong", wrong[:most], len(wrong)),
        ("right", np.append(genuine[: most // 2], impostor[: most - most // 2]), int(right.sum())),
    ):
        grid = draw_pairs(wide_crops, pairs.at(places), distances[places], threshold)
        parts.append((f"{title}: {count:,} of {len(pairs):,} pairs, {len(places)} shown", grid))
    return stack_titled(parts)
