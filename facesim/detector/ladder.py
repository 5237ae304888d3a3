"""The steps by which dlib's CNN searches a photo, from quick to slow, and how its faces are joined with HOG's."""

from collections.abc import Sequence
from typing import NamedTuple

from facesim.detector.box import SAME_FACE, Box, Face, marks, overlap
from facesim.detector.cnn import MIN_SCORE, Window, cnn_windows, distinct, face_in
from facesim.detector.hog import SURE
from facesim.photo import Photo

# The CNN's scores are around 1 for an ordinary face, and under -0.5 for anything else.
CREDIBLE = 0.3  # a face with a lower score does not end the search, and is kept only if it is the best


class Look(NamedTuple):
    """One step: the sizes and angles at which the CNN looks at a photo."""

    name: str
    sides: tuple[float, ...]  # pixels of its longer side
    angles: tuple[int, ...] = (0,)  # degrees by which it is turned counter-clockwise
    min_score: float = MIN_SCORE
    enlarged: int = 2  # times, at most
    smallest: float = 0.0  # of the photo's longer side: unless the best face is larger, the search goes on


_SIDES = tuple(360 / 2 ** (step / 3) for step in range(9))
CLOSE = Look("close", _SIDES[3:], enlarged=4, smallest=0.5)  # a smaller face is fitted better by the next look
NEAR = Look("near", _SIDES[:3], enlarged=4)  # faces from a fifth of the side on
FAR = Look("far", (480, 640, 853, 1138, 1517), min_score=0.0)  # from a twentieth on
TURNED = Look("turned", _SIDES, (90, 180, 270), CREDIBLE)
FINE = Look("fine", (2400, 3600), min_score=0.0)  # 80 pixels in 12 megapixels
LADDER = (CLOSE, NEAR, FAR, TURNED, FINE)  # climbed until a face is credible


def climb(
    photo: Photo, half_seen: Sequence[Face], ladder: Sequence[Look], at_least: Look = NEAR, within: Box | None = None
) -> tuple[list[Face], str]:
    """Return the faces that the CNN sees, or HOG is sure of, in no order, and the last look needed, or "in doubt".

    `half_seen` are HOG's faces that score `HALF_SEEN` or more, the best first. The search goes on until a face is
    credible, and up to `at_least` in any case. With `within`, only faces that this box marks are returned.

    Raises FaceSimError when the photo cannot be read.
    """
    sure = [face for face in half_seen if face.score >= SURE]
    windows: list[Window] = []
    needed = True
    for look in ladder:
        windows += [window for window in _cnn_look(photo, look) if within is None or marks(within, window.box())]
        needed &= look is not at_least
        best = max(windows, default=None)
        convincing = best and best.score >= CREDIBLE and best.side > look.smallest * max(photo.size)
        if not needed and (sure or convincing):
            break
    seen = distinct(windows)
    credible = [window for window in seen if window.score >= CREDIBLE]
    faces = list(sure)
    for window in credible or ([] if sure else seen[:1]):
        known = [face for face in half_seen if overlap(face.box, window.box()) >= SAME_FACE]
        if not known or (credible and look is TURNED):
            faces.append(face_in(photo, window))
        elif known[0] not in faces:
            faces.append(known[0])
    return faces, look.name if credible or sure else "in doubt"


def _cnn_look(photo: Photo, look: Look) -> list[Window]:
    most = look.enlarged * max(photo.size)
    sides = {side if side < 0.9 * most else most for side in look.sides if side < most * 4 / 3}
    return [
        window for angle in look.angles for window in cnn_windows(photo, sides, angle) if window.score >= look.min_score
    ]
