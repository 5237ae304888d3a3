"""A face in a photo: its box, and the order of several."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from facesim.errors import FaceSimError

SELECTIONS = ("largest", "centre", "all")  # of the faces in a photo: which of them count
SAME_FACE = 0.35  # overlap of two boxes of one face
SAME_SIZE = 1.25  # boxes come in sizes a fifth apart: within this ratio, faces count as equally large
CUT_SIZE = 2 / 3  # of its size, for a face that the photo's edge cuts: usually a bystander's
IN_BOX = 0.25  # overlap of a face with the box that marks it


class Box(NamedTuple):
    """A face's box in the upright photo, in pixels; right and bottom lie just outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def side(self) -> int:
        return max(self.right - self.left, self.bottom - self.top)


def as_box(edges: Sequence[float]) -> Box:
    """Return left, top, right and bottom as a Box, in whole pixels; raises FaceSimError for anything else."""
    try:
        return Box(*(round(edge) for edge in edges))
    except (TypeError, ValueError, OverflowError) as error:
        raise FaceSimError(f"{edges!r} is not a box: give four numbers, its left, top, right and bottom.") from error


def box_text(box: Box) -> str:
    """Return a box as x,y,w,h: left, top, width and height, in pixels."""
    return f"{box.left},{box.top},{box.right - box.left},{box.bottom - box.top}"


def box_from_text(text: str) -> Box:
    """Return the box that x,y,w,h says, as `box_text` writes it; raises FaceSimError where it says none."""
    try:
        x, y, width, height = map(int, text.split(","))
    except ValueError:
        raise FaceSimError(
            f"{text!r} is no box: give left, top, width and height in pixels, say 120,80,64,64."
        ) from None
    if width <= 0 or height <= 0:
        raise FaceSimError(f"{text!r} is no box: it has no width or no height.")
    return Box(x, y, x + width, y + height)


class Face(NamedTuple):
    """A face in a photo: its box, and the degrees to turn it counter-clockwise for it to stand upright."""

    box: Box
    angle: int = 0
    score: float = 0.0  # the detector's
    detector: str = "hog"  # whose box it is: "hog" or "cnn"


def off_centre(box: Box, photo_size: tuple[int, int]) -> float:
    """Return twice the distance of a box's centre from that of a photo of `photo_size`, in pixels."""
    width, height = photo_size
    return math.hypot(box.left + box.right - width, box.top + box.bottom - height)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    whole = sum((box.right - box.left) * (box.bottom - box.top) for box in (one, other))
    return shared / (whole - shared)


def marks(box: Box, face: Box) -> bool:
    """Return whether a user's box means a face: it overlaps the face enough, or contains its centre."""
    x, y = (face.left + face.right) / 2, (face.top + face.bottom) / 2
    held = box.left <= x <= box.right and box.top <= y <= box.bottom
    return held or overlap(face, box) >= IN_BOX


def main_first(faces: list[Face], photo_size: tuple[int, int]) -> list[Face]:
    """Return the faces of a photo of `photo_size` (width, height) in order, the main one first.

    The main face is the largest; of several about as large, the one nearest to the photo's centre. One that the
    photo's edge cuts counts as smaller than it is.
    """
    width, height = photo_size

    def size(box: Box) -> float:
        whole = box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
        return box.side if whole else box.side * CUT_SIZE

    largest = max((size(face.box) for face in faces), default=0)
    return sorted(
        faces, key=lambda face: (size(face.box) * SAME_SIZE < largest, off_centre(face.box, photo_size), face.box)
    )
