"""Find the faces in a photo: by dlib's HOG detector, and where that is not sure, by dlib's CNN as well."""

import math

import numpy as np

from facesim.detector.box import SAME_FACE, Box, Face, main_first, marks, off_centre, overlap
from facesim.detector.hog import HALF_SEEN, SURE, hog_faces
from facesim.photo import Photo, open_photo
from facesim.pixels import resized

HOG_SIDE = 640  # pixels of the photo's longer side, at which HOG runs
HOG_CREDIBLE = 0.1  # a face with a lower score is kept only if it is the best
CENTRAL = 0.75  # of its side: a main face no farther from the photo's centre ends the search
CLOSE = 240  # pixels, the size of a box when it is looked at closely
MAX_CLOSE = 10  # tiny faces, the main one first, that are looked at closely for a better box
GLANCE_SIDE, GLANCE_SCORE = 1280, 0.3  # for a video's frame: faces are upright there, and the next frame follows


def find_faces(photo: Photo, small_too: bool = False) -> list[Face]:
    """Return the faces in a photo, the main one first, as `main_first` orders them; empty when none is found.

    The search for the main face also finds others about as large; with `small_too`, the CNN looks for smaller ones.

    Raises FaceSimError when the photo cannot be read.
    """
    return find(photo, small_too)[0]


def find(photo: Photo, small_too: bool = False) -> tuple[list[Face], str]:
    """Return the result of `find_faces`, and what found the main face.

    A main face in the middle ends the search if HOG is sure of it ("HOG"), or half sees it and the CNN sees one in its
    box ("both"). Else the CNN looks at all of the photo, in steps: what found the face is the last look that was
    needed. If the CNN is unsure of every face that it sees, the best one is taken ("in doubt"); if it sees none, the
    best of those that HOG sees without being sure ("HOG alone"); if there is none, "nothing" found any.
    """
    half_seen = hog_look(photo, HOG_SIDE, HALF_SEEN)
    faces = main_first([face for face in half_seen if face.score >= HOG_CREDIBLE] or half_seen[:1], photo.size)
    central = faces and not small_too and off_centre(faces[0].box, photo.size) <= 2 * CENTRAL * faces[0].box.side
    if central and faces[0].score >= SURE:
        return faces, "HOG"
    from facesim.detector import cnn, ladder  # not needed where HOG suffices

    if central and cnn.score_in(photo, faces[0].box) >= ladder.CREDIBLE:
        return faces, "both"
    at_least = ladder.NEAR if half_seen and half_seen[0].score >= SURE else None
    faces, name = ladder.climb(photo, half_seen, ladder.LADDER, ladder.FAR if small_too else at_least)
    if not faces:
        faces = _hog_alone(photo, half_seen)[:1]
        name = "HOG alone" if faces else "nothing"
    faces = main_first(faces, photo.size)
    if name == ladder.FINE.name:
        faces[:MAX_CLOSE] = [_seen_closely(photo, face) for face in faces[:MAX_CLOSE]]
    return faces, name


def look_closely(photo: Photo, box: Box) -> list[Face]:
    """Return the faces, in no order, that both detectors see in a box that lies at least partly in a photo.

    Raises FaceSimError when the photo cannot be read.
    """
    from facesim.detector import ladder

    width, height = photo.size
    box = Box(max(0, box.left), max(0, box.top), min(width, box.right), min(height, box.bottom))
    view = photo.view(math.ceil(max(photo.size) * CLOSE / box.side))
    scales = (view.width / width, view.height / height) * 2
    inner = Box(*(round(edge * scale) for edge, scale in zip(box, scales, strict=True)))
    left, top = max(0, inner.left - inner.side), max(0, inner.top - inner.side)
    right, bottom = min(view.width, inner.right + inner.side), min(view.height, inner.bottom + inner.side)
    part = open_photo(np.asarray(view)[top : max(bottom, top + 1), left : max(right, left + 1)])
    inner = Box(inner.left - left, inner.top - top, inner.right - left, inner.bottom - top)

    half_seen = [face for face in hog_look(part, HOG_SIDE, HALF_SEEN) if marks(inner, face.box)]
    faces, _ = ladder.climb(part, half_seen, (ladder.NEAR, ladder.TURNED), within=inner)
    faces = faces or [face for face in _hog_alone(part, half_seen) if marks(inner, face.box)]
    offsets = list(zip((left, top) * 2, scales, strict=True))

    def in_photo(box: Box) -> Box:
        return Box(*(round((edge + start) / scale) for edge, (start, scale) in zip(box, offsets, strict=True)))

    return [face._replace(box=in_photo(face.box)) for face in faces]


def glance(photo: Photo) -> list[Face]:
    """Return the upright faces that one run of HOG finds, the main one first: `find_faces` for a video's frame.

    It misses profiles, and faces under 75 pixels in a frame of 1280.

    Raises FaceSimError when the photo cannot be read.
    """
    return main_first(hog_look(photo, GLANCE_SIDE, GLANCE_SCORE), photo.size)


def _seen_closely(photo: Photo, face: Face) -> Face:
    """Return a tiny face with a better box: even the smallest window may be too large for it."""
    closer = [other for other in look_closely(photo, face.box) if overlap(other.box, face.box) >= SAME_FACE]
    return max(closer, key=lambda other: other.score, default=face)


def _hog_alone(photo: Photo, half_seen: list[Face]) -> list[Face]:
    """Return the faces that HOG sees where the CNN sees none, the best first: HOG needs less contrast."""
    if max(photo.size) < HOG_SIDE:
        half_seen = hog_look(photo, HOG_SIDE, 0.0, enlarged=2)
    return [face for face in half_seen if face.score >= 0]


def hog_look(photo: Photo, longer_side: int, min_score: float, enlarged: int = 1) -> list[Face]:
    """Return the faces that score `min_score` when HOG looks at a photo resized to `longer_side`, the best first.

    The photo is enlarged no more than `enlarged` times. Raises FaceSimError when it cannot be read.
    """
    longer_side = min(longer_side, enlarged * max(photo.size))
    scale = max(photo.size) / longer_side
    faces = hog_faces(np.asarray(resized(photo.view(longer_side), longer_side)), min_score)
    return [face._replace(box=Box(*(round(edge * scale) for edge in face.box))) for face in faces]
