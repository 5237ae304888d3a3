"""Photos made of photos, and what is known of the faces in them."""

import numpy as np
from PIL import Image

from facesim.detector.box import Box, Face
from facesim.detector.crop import cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.photo import open_photo


def boxes_in(image: Image.Image) -> list[Box]:
    return [face.box for face in find_faces(open_photo(image))]


def wide_crop(image: Image.Image, face: Face) -> np.ndarray:
    return cut_wide_crop(open_photo(image), face)


def collage(size: tuple[int, int], **pieces: tuple[Image.Image, int, int]) -> Image.Image:
    photo = Image.new("RGB", size, "grey")
    for image, left, top in pieces.values():
        photo.paste(image, (left, top))
    return photo


def shrink(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def assert_frames(box: Box, eyes: np.ndarray) -> None:
    """A face's box is some 2½ times as wide as the eyes are apart, and has them in its upper half."""
    (left_x, left_y), (right_x, right_y) = eyes
    assert 0.3 < (right_x - left_x) / box.side < 0.55
    assert box.left < left_x < (box.left + box.right) / 2 < right_x < box.right
    assert box.top < min(left_y, right_y) < max(left_y, right_y) < (box.top + box.bottom) / 2


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2, (box.top + box.bottom) / 2


def is_about(box: Box, expected: Box) -> bool:
    apart = np.hypot(*np.subtract(middle(box), middle(expected)))
    return apart < 0.2 * expected.side and 0.75 < box.side / expected.side < 1.33


def turned_box(box: Box, angle: int, size: tuple[int, int], turned_size: tuple[int, int]) -> Box:
    """Return where a box lies when its photo is turned counter-clockwise about its centre."""
    x, y = np.subtract(middle(box), np.divide(size, 2))
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    x, y = np.add((x * cosine + y * sine, y * cosine - x * sine), np.divide(turned_size, 2))
    half = box.side / 2
    return Box(*(round(edge) for edge in (x - half, y - half, x + half, y + half)))


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    return np.abs(one.astype(int) - other).mean()
