"""Find the face in a photo, widen its box, resize and pad it to the crop that the network reads."""

import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import dlib
import numpy as np
from PIL import Image, ImageOps

from facesim.photo import Photo

CROP_SIZE = 160  # pixels, what the network reads
CROP_MARGIN = 0.2  # of the box, added on each of its four sides
WIDE_CROP_SIZE = 252  # pixels, the crop and its surroundings at the same scale: training needs room to move


class Look(NamedTuple):
    """How a photo is made ready for one run of the detector."""

    longer_side: int  # pixels that the photo is resized to
    enlarged: int = 1  # times at most
    padding: float = 0  # black border, in longer sides: a face that fills the photo is found only inside one
    angle: int = 0  # degrees that it is turned counter-clockwise
    least: float = 0.0  # score that its best face must have


# The detector's scores: 1 to 3 for an ordinary face, over 0 for what it takes for a face.
SURE = 0.5  # a face upside down looks upright to it in one photo of eight, but hardly ever with more than this
UNLIKELY = 0.3  # what a face must score at least that a photo in the wrong position shows, or a tiny part of a photo
CREDIBLE = 0.1  # a face that scores less counts only where it is the best
DOUBTFUL = -0.6  # a face that scores less is not remembered
AGREED = 0.85  # how far over DOUBTFUL a doubtful face scores, all tilts together; a coffee cup does so at one of them
SAME_FACE = 0.35  # overlap of two boxes of one face

QUARTER_TURNS = (90, 180, 270)


def _turned(look: Look, least: float = UNLIKELY) -> tuple[Look, ...]:
    return tuple(look._replace(angle=angle, least=least) for angle in QUARTER_TURNS)


def _tilted(look: Look, tilt: int) -> tuple[Look, ...]:
    return look._replace(angle=-tilt), look._replace(angle=tilt)


CLOSER = Look(1280, enlarged=2)  # shows faces of 40 pixels, also beside a large one that ended the climb
# Climbed until a face is found, from cheap to dear. Of a rung's looks the one with the best score counts: padded, a
# small photo of a small face may show a large one that is none, and a face upside down may look tilted.
LADDER = (
    (Look(640),),
    (Look(1280),),
    (Look(320, padding=0.5), CLOSER),
    (*_tilted(Look(480, padding=0.25), 20), *_turned(Look(480, padding=0.25))),
    _tilted(Look(480, padding=0.25), 30),
    _turned(Look(960)),
    (Look(4000, enlarged=2, least=UNLIKELY),),
)

GLANCE = Look(1280, least=UNLIKELY)  # all that a video's frame gets: its faces are upright, and a next frame follows

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


_of_thread = threading.local()


def _detector() -> dlib.fhog_object_detector:
    """Return this thread's own detector: dlib lets go of Python's lock, and none can look at two photos at once."""
    if not hasattr(_of_thread, "detector"):
        # dlib's own frontal face detector, saved once: loading takes 2 ms, dlib.get_frontal_face_detector() 300 ms.
        _of_thread.detector = dlib.fhog_object_detector(str(Path(__file__).with_name("frontal_face_detector.svm")))
    return _of_thread.detector


class Face(NamedTuple):
    """A face in a photo: its box, and the degrees to turn it counter-clockwise for it to stand upright."""

    box: Box
    angle: int = 0
    score: float = 0.0  # the detector's


def off_centre(box: Box, photo_size: tuple[int, int]) -> float:
    """Return twice the distance of a box's centre from that of a photo of `photo_size`, in pixels."""
    width, height = photo_size
    return math.hypot(box.left + box.right - width, box.top + box.bottom - height)


def overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share, as a part of the area that they cover together."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0, width) * max(0, height)
    whole = sum((box.right - box.left) * (box.bottom - box.top) for box in (one, other))
    return shared / (whole - shared)


def find_faces(photo: Photo, small_too: bool = False) -> list[Face]:
    """Return the faces in a photo, the main one first; empty when none is found.

    The main face is the largest; of several as large, the one nearest to the photo's centre. One that the photo's edge
    cuts counts as smaller than it is. A reduced copy is looked at first, then `LADDER` is climbed; at its end, a face
    of which no look is certain counts if it is half seen at several tilts. That finds the main face, and others about
    as large; with `small_too` a closer look adds the others.

    Raises FaceSimError when the photo cannot be read.
    """
    faces, _ = climb(photo)
    if small_too and faces and not faces[0].angle:
        faces += [
            face
            for face in _look(photo, _fitted(CLOSER, max(photo.size)))
            if face.score >= UNLIKELY and all(overlap(face.box, other.box) < SAME_FACE for other in faces)
        ]
        faces = _main_first(faces, photo.size)
    return faces


def glance(photo: Photo) -> list[Face]:
    """Return the upright faces that a single look shows, the main one first: `find_faces` for a frame of a video.

    It misses one face in a hundred that `find_faces` finds, and those under 75 pixels in a frame of 1280; where there
    is no face it is ten times as fast.

    Raises FaceSimError when the photo cannot be read.
    """
    faces = [face for face in _look(photo, _fitted(GLANCE, max(photo.size))) if face.score >= GLANCE.least]
    return _main_first(faces, photo.size) if faces else []


def climb(photo: Photo) -> tuple[list[Face], int]:
    """Return what `find_faces` does, and the rung of `LADDER` that it was found on: its length when on none of them."""
    doubtful = []
    for rung, looks in _ladder_for(max(photo.size)):
        seen = {look: _look(photo, look) for look in looks}
        faces = _best(seen)
        if faces and faces[0].score < SURE and faces[0].angle == 0 and looks[0].least < UNLIKELY:
            turned = [turned for look in looks for turned in _turned(look, SURE)]
            faces = _best({look: _look(photo, look) for look in turned}, faces)
        if faces:
            least = min(CREDIBLE, faces[0].score)
            return _main_first([face for face in faces if face.score >= least], photo.size), rung
        for look in looks:
            if look.longer_side <= LADDER[0][0].longer_side and look.angle not in QUARTER_TURNS:
                doubtful += seen[look]
    return _agreed(doubtful), len(LADDER)


def _ladder_for(longer_side: int) -> Iterator[tuple[int, list[Look]]]:
    """Yield the rungs of `LADDER` for a photo, without the looks that its size makes the same as earlier ones."""
    taken = set()
    for rung, ladder_looks in enumerate(LADDER):
        looks = []
        for look in ladder_looks:
            look = _fitted(look, longer_side)
            if (same := look._replace(least=0.0)) not in taken:
                taken.add(same)
                looks.append(look)
        if looks:
            yield rung, looks


def _fitted(look: Look, longer_side: int) -> Look:
    """Return the look that a photo of this longer side allows: it is enlarged no more than the look says."""
    return look._replace(longer_side=min(look.longer_side, look.enlarged * longer_side), enlarged=1)


def _look(photo: Photo, look: Look) -> list[Face]:
    """Return what the detector sees in one look, down to `DOUBTFUL`, the best first."""
    width, height = photo.size
    scale = look.longer_side / max(photo.size)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = photo.view(look.longer_side)
    if image.size != size:
        filter = Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC
        image = image.resize(size, filter, reducing_gap=2.0)
    border = round(look.padding * look.longer_side)
    if border:
        image = ImageOps.expand(image, border)
    if look.angle:
        image = image.rotate(look.angle, Image.Resampling.BILINEAR, expand=True)
    rectangles, scores, _ = _detector().run(np.asarray(image), 0, DOUBTFUL)
    sine, cosine = math.sin(math.radians(look.angle)), math.cos(math.radians(look.angle))
    faces = []
    for rectangle, score in zip(rectangles, scores, strict=True):
        half_width, half_height = rectangle.width() / 2, rectangle.height() / 2
        x = rectangle.left() + half_width - image.width / 2
        y = rectangle.top() + half_height - image.height / 2
        x, y = x * cosine - y * sine + size[0] / 2, x * sine + y * cosine + size[1] / 2
        edges = (x - half_width, y - half_height, x + half_width, y + half_height)
        box = Box(*(round(edge / scale) for edge in edges))
        faces.append(Face(box, look.angle, score))
    return faces


def _best(seen: dict[Look, list[Face]], before: Sequence[Face] = ()) -> list[Face]:
    """Return the faces of the look that sees the best one, or those seen before if they are better; or none."""
    certain = [
        [face for face in faces if face.score >= 0]
        for look, faces in seen.items()
        if faces and faces[0].score >= look.least
    ]
    return max([list(before), *certain], key=lambda faces: faces[0].score if faces else -math.inf)


def _agreed(faces: list[Face]) -> list[Face]:
    """Return the doubtful face that the tilts agree upon most, or none."""

    def agreement(face: Face) -> float:
        scores = {}
        for other in faces:
            if overlap(face.box, other.box) >= SAME_FACE:
                scores[other.angle] = max(scores.get(other.angle, 0), other.score - DOUBTFUL)
        return sum(scores.values())

    best = max(faces, key=lambda face: (agreement(face), face.score), default=None)
    return [best] if best and agreement(best) >= AGREED else []


def _main_first(faces: list[Face], photo_size: tuple[int, int]) -> list[Face]:
    width, height = photo_size

    def size(box: Box) -> float:
        whole = box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
        return box.side if whole else box.side * CUT_SIZE

    largest = max(size(face.box) for face in faces)
    return sorted(
        faces, key=lambda face: (size(face.box) * SAME_SIZE < largest, off_centre(face.box, photo_size), face.box)
    )


def cut_wide_crop(photo: Photo, face: Face) -> np.ndarray:
    """Cut a face and its surroundings, upright: `(252, 252, 3) uint8`, black where the photo ends.

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
    view = photo.view(math.ceil(max(photo.size) * scale))
    across, down = view.width / width, view.height / height
    seen = (inside[0] * across, inside[1] * down, inside[2] * across, inside[3] * down)
    part = view.resize(size, Image.Resampling.BICUBIC, box=seen, reducing_gap=3.0)
    crop = np.zeros((WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3), np.uint8)
    crop[place[1] : place[1] + size[1], place[0] : place[0] + size[0]] = np.asarray(part)
    if face.angle % 90 == 0:
        return np.rot90(crop, face.angle // 90).copy()
    # the corners that come out black lie outside the centre: it is smaller than the whole by more than √2
    return np.asarray(Image.fromarray(crop).rotate(face.angle, Image.Resampling.BICUBIC))


def centre_crop(wide_crops: np.ndarray) -> np.ndarray:
    """Cut the network's `(…, 160, 160, 3)` crops out of `(…, 252, 252, 3)` wide crops."""
    start = (WIDE_CROP_SIZE - CROP_SIZE) // 2
    return wide_crops[..., start : start + CROP_SIZE, start : start + CROP_SIZE, :]
