"""Find the faces in a photo: dlib's HOG detector looks first, and where it is not sure, dlib's CNN."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from facesim.detector.box import SAME_FACE, Box, Face, main_first, off_centre, overlap
from facesim.detector.cnn import MIN_SCORE, Window, cnn_windows, distinct, face_in, resized
from facesim.detector.hog import hog_faces
from facesim.photo import Photo, open_photo

# HOG's scores are 1 to 3 for an ordinary face, and over 0 for anything that it takes for a face.
HOG_SIDE = 640  # pixels of the photo's longer side, at which it looks
SURE = 0.8  # the CNN agrees with nearly all faces that score more
HALF_SEEN = -0.3  # from here on, a face that the CNN sees, too, has HOG's box, which is the better one
CREDIBLE = 0.1  # a face that scores less counts only where it is the best
CENTRAL = 0.75  # of its side is how far from the photo's centre a sure face may lie for no other to be looked for
CLOSE = 240  # pixels, at which a box is looked at closely
GLANCE_SIDE, GLANCE_SCORE = 1280, 0.3  # all that a video's frame gets: its faces are upright, and a next frame follows

# The CNN's scores are around 1 for an ordinary face, and under -0.5 for anything else.
CNN_CREDIBLE = 0.3  # as above; a face that scores less does not end the climb


class Look(NamedTuple):
    """How the CNN looks at a photo."""

    name: str
    sides: tuple[float, ...]  # pixels of its longer side
    angles: tuple[int, ...] = (0,)  # degrees that it is turned counter-clockwise
    min_score: float = MIN_SCORE
    enlarged: int = 2  # times, at most


NEAR = Look("near", tuple(360 / 2 ** (step / 3) for step in range(9)), enlarged=4)  # faces from a fifth of the side on
FAR = Look("far", (480, 640, 853, 1138, 1517), min_score=0.0)  # from a twentieth on
TURNED = Look("turned", NEAR.sides, (90, 180, 270), CNN_CREDIBLE)
FINE = Look("fine", (2400, 3600), min_score=0.0)  # 80 pixels in 12 megapixels
LADDER = (NEAR, FAR, TURNED, FINE)  # climbed until a face is credible


def find_faces(photo: Photo, small_too: bool = False) -> list[Face]:
    """Return the faces in a photo, the main one first, as `main_first` orders them; empty when none is found.

    What finds the main face finds others about as large; with `small_too`, the CNN looks for smaller ones as well.

    Raises FaceSimError when the photo cannot be read.
    """
    return climb(photo, small_too)[0]


def climb(photo: Photo, small_too: bool = False) -> tuple[list[Face], str]:
    """Return what `find_faces` does, and by what: "HOG", the name of a look, "in doubt", "HOG alone" or "nothing".

    Where HOG is sure of a face in the middle, the CNN is not asked. Where the CNN is in doubt about every face that it
    sees, the best one counts, and where it sees none, the best of those that HOG sees without being sure.
    """
    half_seen = _hog_look(photo, HOG_SIDE, HALF_SEEN)
    clear = [face for face in half_seen if face.score >= 0]
    if clear and clear[0].score >= SURE and not small_too:
        faces = main_first([face for face in clear if face.score >= CREDIBLE], photo.size)
        if off_centre(faces[0].box, photo.size) <= 2 * CENTRAL * faces[0].box.side:
            return faces, "HOG"
    faces, name = _cnn_climb(photo, half_seen, LADDER, FAR if small_too else NEAR)
    if name == FINE.name:
        faces = [_seen_closely(photo, face) for face in faces]
    return main_first(faces, photo.size), name


def look_closely(photo: Photo, box: Box) -> list[Face]:
    """Return the faces, in no order, that both detectors see around a box of a photo.

    Raises FaceSimError when the photo cannot be read.
    """
    width, height = photo.size
    view = photo.view(math.ceil(max(photo.size) * CLOSE / box.side))
    scale = view.width / width
    around = (
        max(0, box.left - box.side), max(0, box.top - box.side),
        min(width, box.right + box.side), min(height, box.bottom + box.side),
    )  # fmt: skip
    part = open_photo(view.crop([round(edge * scale) for edge in around]))
    faces, _ = _cnn_climb(part, _hog_look(part, HOG_SIDE, HALF_SEEN), (NEAR, TURNED))
    starts = around[:2] * 2
    boxes = [
        Box(*(round(edge / scale) + start for edge, start in zip(face.box, starts, strict=True))) for face in faces
    ]
    return [face._replace(box=box) for face, box in zip(faces, boxes, strict=True)]


def glance(photo: Photo) -> list[Face]:
    """Return the upright faces that a single look by HOG shows, the main one first: `find_faces` for a video's frame.

    It misses profiles, and faces under 75 pixels in a frame of 1280.

    Raises FaceSimError when the photo cannot be read.
    """
    return main_first(_hog_look(photo, GLANCE_SIDE, GLANCE_SCORE), photo.size)


def _seen_closely(photo: Photo, face: Face) -> Face:
    """Return a tiny face with a better box: its window, the smallest, may be too large for it."""
    closer = [other for other in look_closely(photo, face.box) if overlap(other.box, face.box) >= SAME_FACE]
    return max(closer, key=lambda other: other.score, default=face)


def _hog_look(photo: Photo, longer_side: int, min_score: float) -> list[Face]:
    longer_side = min(longer_side, max(photo.size))
    scale = max(photo.size) / longer_side
    faces = hog_faces(np.asarray(resized(photo.view(longer_side), longer_side)), min_score)
    return [face._replace(box=Box(*(round(edge * scale) for edge in face.box))) for face in faces]


def _cnn_climb(
    photo: Photo, half_seen: Sequence[Face], ladder: Sequence[Look], at_least: Look = NEAR
) -> tuple[list[Face], str]:
    """Return the faces that the CNN sees, or HOG is sure of, in no order, and what found them, as `climb` does.

    The ladder is climbed to `at_least` in any case.
    """
    sure = [face for face in half_seen if face.score >= SURE]
    windows, needed = [], True
    for look in ladder:
        windows += _cnn_look(photo, look)
        needed &= look is not at_least
        if not needed and (sure or any(window.score >= CNN_CREDIBLE for window in windows)):
            break
    seen = distinct(windows)
    credible = [window for window in seen if window.score >= CNN_CREDIBLE]
    faces = list(sure)
    for window in credible or ([] if sure else seen[:1]):
        known = [face for face in half_seen if overlap(face.box, window.box()) >= SAME_FACE and look is not TURNED]
        if not known:
            faces.append(face_in(photo, window))
        elif known[0] not in faces:
            faces.append(known[0])
    if credible or sure:
        return faces, look.name
    if faces:
        return faces, "in doubt"
    clear = [face for face in half_seen[:1] if face.score >= 0]
    return clear, "HOG alone" if clear else "nothing"


def _cnn_look(photo: Photo, look: Look) -> list[Window]:
    most = look.enlarged * max(photo.size)
    sides = {min(side, most) for side in look.sides if side < most * 4 / 3}
    return [
        window for angle in look.angles for window in cnn_windows(photo, sides, angle) if window.score >= look.min_score
    ]
