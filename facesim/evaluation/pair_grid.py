"""Draw pairs of faces with their distances and verdicts."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facesim.data.cache import WideCrops
from facesim.data.pairs import Pairs
from facesim.detector.crop import CROP_SIZE, centre_crop
from facesim.drawing.palette import GREEN, INK, PAPER, RED

_SIDE, _GAP, _CAPTION, _TITLE = CROP_SIZE // 2, 8, 18, 26
_COLUMNS, _MAX_SHOWN = 4, 12  # pairs in a row, and of those right or wrong


def draw_pairs(wide_crops: WideCrops, pairs: Pairs, distances: np.ndarray, threshold: float) -> Image.Image:
    """Draw `pairs`, framed in green where the verdict at `threshold` is right, in red where it is wrong or missing."""
    captions, right = [], []
    for same, distance in zip(pairs.same, distances, strict=True):
        found = not np.isnan(distance)
        captions.append(f"{'same' if same else 'different'}, {f'{distance:.3f}' if found else 'no face'}")
        right.append(found and (distance < threshold) == same)
    return draw_grid(wide_crops, pairs, captions, right)


def draw_grid(wide_crops: WideCrops, pairs: Pairs, captions: Sequence[str], right: Sequence[bool]) -> Image.Image:
    """Draw `pairs` with a caption each, framed in green where `right`, in red elsewhere."""
    rows = -(-len(pairs) // _COLUMNS)
    width, height = 2 * _SIDE + _GAP, _SIDE + _CAPTION + _GAP
    picture = Image.new("RGB", (_COLUMNS * width + _GAP, rows * height + _GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    shown = zip(pairs.first, pairs.second, captions, right, strict=True)
    for i, (first, second, caption, is_right) in enumerate(shown):
        left, top = _GAP + i % _COLUMNS * width, _GAP + i // _COLUMNS * height
        for column, photo in enumerate((first, second)):
            crop = Image.fromarray(centre_crop(wide_crops[photo])).resize((_SIDE, _SIDE))
            picture.paste(crop, (left + column * _SIDE, top))
        frame = (left - 2, top - 2, left + 2 * _SIDE + 1, top + _SIDE + 1)
        draw.rectangle(frame, outline=GREEN if is_right else RED, width=2)
        draw.text((left, top + _SIDE + 2), caption, INK, ImageFont.load_default(12))
    return picture


def stack_titled(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Stack pictures, each below its title."""
    picture = Image.new("RGB", (max(p.width for _, p in parts), sum(p.height + _TITLE for _, p in parts)), PAPER)
    top = 0
    for title, part in parts:
        ImageDraw.Draw(picture).text((_GAP, top + _GAP), title, INK, ImageFont.load_default(15))
        picture.paste(part, (0, top + _TITLE))
        top += part.height + _TITLE
    return picture


def draw_right_and_wrong(wide_crops: WideCrops, pairs: Pairs, distances: np.ndarray, threshold: float) -> Image.Image:
    """Draw up to twelve pairs that `threshold` gets wrong, the worst first, and as many that it gets right.

    The latter are of both kinds. Pairs without a face (NaN) are wrong, and come last.
    """
    right = ~np.isnan(distances) & ((distances < threshold) == pairs.same)
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-np.abs(distances[wrong] - threshold), kind="stable")]
    genuine, impostor = np.flatnonzero(right & pairs.same), np.flatnonzero(right & ~pairs.same)
    parts = []
    for title, indices, count in (
        ("wrong", wrong[:_MAX_SHOWN], len(wrong)),
        ("right", np.append(genuine[: _MAX_SHOWN // 2], impostor[: _MAX_SHOWN // 2]), int(right.sum())),
    ):
        grid = draw_pairs(wide_crops, pairs.at(indices), distances[indices], threshold)
        parts.append((f"{title}: {count:,} of {len(pairs):,} pairs, {len(indices)} shown", grid))
    return stack_titled(parts)
