"""Cut a face out of a photo: widen its box, resize and pad it to the crop that the network reads."""

import math

import numpy as np
from PIL import Image

from facesim.detector.box import Face
from facesim.photo import Photo

CROP_SIZE = 160  # pixels, what the network reads
CROP_MARGIN = 0.2  # of the box, added on each of its four sides
ENOUGH = 0.8  # of a crop's pixels: a photo that has been decoded so finely is not decoded again
WIDE_CROP_SIZE = 252  # pixels, the crop and its surroundings at the same scale: augmentation needs room to move


def cut_wide_crop(photo: Photo, face: Face, beyond: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
    """Cut a face and its surroundings, upright: `(252, 252, 3) uint8`, in the colour `beyond` where the photo ends.

    Its centre, `centre_crop`, is the box with `CROP_MARGIN` added on each side, scaled to 160 pixels.
    """
    box = face.box
    side = box.side * (1 + 2 * CROP_MARGIN) * WIDE_CROP_SIZE / CROP_SIZE
    left = (box.left + box.right - side) / 2
    top = (box.top + box.bottom - side) / 2
    scale = WIDE_CROP_SIZE / side
    width, height = photo.size
    inside = (max(0, left), max(0, top), min(width, left + side), min(height, top + side))
    place = [round((edge - start) * scale) for edge, start in zip(inside, (left, top, left, top), strict=True)]
    size = (max(1, place[2] - place[0]), max(1, place[3] - place[1]))
    needed = max(photo.size) * scale
    view = photo.view(math.ceil(needed), math.ceil(ENOUGH * needed))
    across, down = view.width / width, view.height / height
    seen = (inside[0] * across, inside[1] * down, inside[2] * across, inside[3] * down)
    part = view.resize(size, Image.Resampling.BICUBIC, box=seen, reducing_gap=3.0)
    crop = Image.new("RGB", (WIDE_CROP_SIZE, WIDE_CROP_SIZE), beyond)
    crop.paste(part, (place[0], place[1]))
    # the corners that come out black lie outside the centre crop, which is smaller by more than √2
    return np.array(crop.rotate(face.angle, Image.Resampling.BICUBIC))


def centre_crop(wide_crops: np.ndarray) -> np.ndarray:
    """Cut the network's `(…, 160, 160, 3)` crops out of `(…, 252, 252, 3)` wide crops."""
    start = (WIDE_CROP_SIZE - CROP_SIZE) // 2
    return wide_crops[..., start : start + CROP_SIZE, start : start + CROP_SIZE, :]
