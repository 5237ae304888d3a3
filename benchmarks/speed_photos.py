"""The photos that speed.py and stages.py measure on: examples cut small or set in a large frame, and LFW's."""

import csv
import random
from dataclasses import dataclass
from pathlib import Path

from measuring import ROOT, in_own_process

SMALL_SIDE, FACE_SHARE = 250, 2.2  # pixels, an LFW photo's; and of such a photo's side to its face's box
LARGE_SIZE, LARGE_FACE = (4000, 3000), 600  # pixels: a camera's photo, and the box of a face in it
GRAIN = 4  # of 255, a sensor's noise: without it a JPEG of that size is small, and quick to open
PAIRS = 10_000
SEED = 0


@dataclass(frozen=True, slots=True)
class Photos:
    """What is measured on: a pair of small photos and of large ones, and LFW's, shuffled; none where it is not had."""

    small: tuple[str, str]
    small_name: str
    large: tuple[str, str]
    lfw: list[str]


def gather_photos(folder: Path, given: tuple[str, str] | None, lfw_photos: int | None, left_out: list[str]) -> Photos:
    """Make the photos in `folder`, and look for so many of LFW's, or for all; note what is left out."""
    small, large = in_own_process(make_photos, folder)
    lfw = [] if lfw_photos == 0 else find_lfw_photos(left_out)[:lfw_photos]
    name = "the photos given" if given else f"{SMALL_SIDE}×{SMALL_SIDE} photos"
    return Photos(given or small, name, large, lfw)


def make_photos(folder: Path) -> list[tuple[str, str]]:
    """Make two pairs of photos from the first two examples: small ones, and ones of 12 megapixels."""
    from PIL import Image

    from facesim import Verifier

    examples = sorted((ROOT / "examples").glob("*.jpg"))[:2]
    verdict = Verifier().verify(*examples)
    made = []
    for make in (small_photo, large_photo):
        pair = []
        for example, face in zip(examples, (verdict.face1, verdict.face2), strict=True):
            path = folder / f"{make.__name__}_{example.name}"
            make(Image.open(example).convert("RGB"), face.box).save(path, quality=95)
            pair.append(str(path))
        made.append(tuple(pair))
    return made


def small_photo(photo, box):
    """Cut a square around a face's box, as LFW's photos are cut."""
    half = FACE_SHARE * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return photo.resize((SMALL_SIDE, SMALL_SIDE), box=fit((x - half, y - half, x + half, y + half), photo.size))


def fit(square: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    """Move a square into a photo of `size`, making it smaller where it has no room."""
    side = min(square[2] - square[0], *size)
    left, top = (min(max(0, start), room - side) for start, room in zip(square, size, strict=False))
    return left, top, left + side, top + side


def large_photo(photo, box):
    return camera_photo(photo, box, LARGE_SIZE)


def camera_photo(photo, box, size: tuple[int, int]):
    """Resize a photo, and set it in the middle of a camera's frame, on blurred colours, with a sensor's noise."""
    import numpy as np
    from PIL import Image

    frame = photo.resize((8, 6)).resize(size, Image.Resampling.BICUBIC)
    scale = LARGE_FACE / box.side * size[0] / LARGE_SIZE[0]
    portrait = photo.resize([round(side * scale) for side in photo.size], Image.Resampling.LANCZOS)
    frame.paste(portrait, [(room - side) // 2 for room, side in zip(frame.size, portrait.size, strict=True)])
    noise = np.random.default_rng(SEED).normal(0, GRAIN, (*size[::-1], 1))
    return Image.fromarray((np.asarray(frame) + noise).clip(0, 255).astype(np.uint8))


def find_lfw_photos(left_out: list[str]) -> list[str]:
    """Return LFW's photos, shuffled with a seed; none, and a note, where they cannot be had."""
    try:
        photos = in_own_process(lfw_paths)
    except Exception as error:
        left_out.append(f"The rows on LFW are left out: {error}")
        return []
    random.Random(SEED).shuffle(photos)
    return photos


def lfw_paths() -> list[str]:
    from facesim.data.lfw import find_lfw

    return [str(path) for path in find_lfw()[0].paths()]


def write_pairs(photos: list[str], path: Path) -> Path:
    """Write a list of pairs, drawn with a seed, for `predict --pairs`."""
    draw = random.Random(SEED)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("photo1", "photo2"))
        writer.writerows(draw.sample(photos, 2) for _ in range(PAIRS))
    return path
