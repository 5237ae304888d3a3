"""Find the face in a photo, widen its box, resize and pad it to the crop that the network reads."""

import functools
import math
from pathlib import Path
from typing import NamedTuple

import dlib
import numpy as np
from PIL import Image, ImageOps

CROP_SIZE = 160  # pixels, what the network reads
CROP_MARGIN = 0.2  # of the box, added on each of its four sides
WIDE_CROP_SIZE = 252  # pixels, the crop and its surroundings at the same scale: training needs room to move


class Rung(NamedTuple):
    """One look at a photo: how it is made ready, and how sure the detector must be."""

    longer_side: int  # pixels that the photo is reduced to, if it has more
    padding: float  # black border, in longer sides: a face that fills the photo is found only inside one
    doublings: int  # of the size, for faces under 80 pixels
    threshold: float  # under 0 the detector is less than sure, and only its best box counts


# Climbed until a face is found. Below −0.3 the detector sees faces in coffee cups.
LADDER = (
    Rung(640, 0, 0, 0.0),
    Rung(1280, 0, 0, 0.0),
    Rung(640, 0.5, 0, 0.0),
    Rung(1280, 0, 1, 0.0),
    Rung(640, 0.25, 1, -0.3),
    Rung(640, 0.5, 1, -0.3),
)
SAME_SIZE = 1.25  # the detector's boxes come in sizes a fifth apart: within this ratio none is the larger face
CUT_SIZE = 2 / 3  # of its size is what a face counts that the photo's edge cuts: mostly a bystander's


class Box(NamedTuple):
    """A face's box in the upright photo, in pixels; right and bottom lie just outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)


@functools.cache
def _detector() -> dlib.fhog_object_detector:
    # dlib's own frontal face detector, saved once: loading takes 2 ms, dlib.get_frontal_face_detector() 300 ms.
    return dlib.fhog_object_detector(str(Path(__file__).with_name("frontal_face_detector.svm")))


def find_faces(photo: Image.Image) -> list[Box]:
    """Return the boxes of the faces in an RGB photo, the main one first; empty when none is found.

    The main face is the largest; of several as large, the one nearest to the photo's centre. One that the photo's edge
    cuts counts as smaller than it is. A reduced copy is looked
    at first, then `LADDER` is climbed.
    """
    longer_side = max(photo.size)
    looks = dict.fromkeys(rung._replace(longer_side=min(rung.longer_side, longer_side)) for rung in LADDER)
    for rung in looks:  # a small photo makes some rungs alike
        boxes = _look(photo, rung)
        if boxes:
            return _main_first(boxes, photo.size)
    return []


def _look(photo: Image.Image, rung: Rung) -> list[Box]:
    scale = rung.longer_side / max(photo.size)
    if scale < 1:
        size = [max(1, round(side * scale)) for side in photo.size]
        photo = photo.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    border = round(rung.padding * rung.longer_side)
    if border:
        photo = ImageOps.expand(photo, border)
    rectangles, scores, _ = _detector().run(np.asarray(photo), rung.doublings, rung.threshold)
    if rung.threshold < 0 and rectangles:
        rectangles = [rectangles[int(np.argmax(scores))]]
    return [
        Box(*(round((edge - border) / scale) for edge in (r.left(), r.top(), r.right() + 1, r.bottom() + 1)))
        for r in rectangles
    ]


def _main_first(boxes: list[Box], photo_size: tuple[int, int]) -> list[Box]:
    width, height = photo_size

    def size(box: Box) -> float:
        whole = box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
        return box.side if whole else box.side * CUT_SIZE

    def off_centre(box: Box) -> float:
        return math.hypot(box.left + box.right - width, box.top + box.bottom - height)

    largest = max(map(size, boxes))
    return sorted(boxes, key=lambda box: (size(box) * SAME_SIZE < largest, off_centre(box), box))


def cut_wide_crop(photo: Image.Image, box: Box) -> np.ndarray:
    """Cut a face and its surroundings: `(252, 252, 3) uint8`, black where the photo ends.

    Its centre, `centre_crop`, is the box with `CROP_MARGIN` added on each side, scaled to 160 pixels.
    """
    side = box.side * (1 + 2 * CROP_MARGIN) * WIDE_CROP_SIZE / CROP_SIZE
    left = (box.left + box.right - side) / 2
    top = (box.top + box.bottom - side) / 2
    scale = WIDE_CROP_SIZE / side
    inside = (max(0, left), max(0, top), min(photo.width, left + side), min(photo.height, top + side))
    place = [round((edge - start) * scale) for edge, start in zip(inside, (left, top, left, top), strict=True)]
    size = (max(1, place[2] - place[0]), max(1, place[3] - place[1]))
    part = photo.resize(size, Image.Resampling.BICUBIC, box=inside, reducing_gap=3.0)
    crop = np.zeros((WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3), np.uint8)
    crop[place[1] : place[1] + size[1], place[0] : place[0] + size[0]] = np.asarray(part)
    return crop


def centre_crop(wide_crops: np.ndarray) -> np.ndarray:
    """Cut the network's `(…, 160, 160, 3)` crops out of `(…, 252, 252, 3)` wide crops."""
    start = (WIDE_CROP_SIZE - CROP_SIZE) // 2
    return wide_crops[..., start : start + CROP_SIZE, start : start + CROP_SIZE, :]
