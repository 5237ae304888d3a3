"""The steps by which dlib's CNN searches a photo, from quick to slow, and how its faces are joined with HOG's."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from facesim.detector.box import SAME_FACE, Box, Face, marks, overlap
from facesim.detector.cnn import MIN_SCORE, WINDOW, Window, cnn_windows, distinct, face_in
from facesim.detector.hog import SURE
from facesim.photo import Photo

# The CNN's scores are around 1 for an ordinary face, and under -0.5 for anything else.
CREDIBLE = 0.3  # a face with a lower score does not end the search, and is kept only if it is the best


class Look(NamedTuple):
    """The sizes, in steps from small to large, and the angles at which the CNN looks at a photo."""

    name: str
    steps: tuple[tuple[float, ...], ...]  # pixels of its longer side
    angles: tuple[int, ...] = (0,)  # degrees by which it is turned counter-clockwise
    min_score: float = MIN_SCORE
    enlarged: int = 2  # times, at most

    @property
    def sides(self) -> tuple[float, ...]:
        return sum(self.steps, ())


_SIDES = tuple(360 / 2 ** (step / 3) for step in reversed(range(9)))
NEAR = Look("near", (_SIDES[:6], *((side,) for side in _SIDES[6:])), enlarged=4)  # faces from a fifth of the side on
FAR = Look("far", ((480, 640, 853, 1138, 1517),), min_score=0.0)  # from a twentieth on
TURNED = Look("turned", (_SIDES,), (90, 180, 270), CREDIBLE)
FINE = Look("fine", ((2400, 3600),), min_score=0.0)  # 80 pixels in 12 megapixels
LADDER = (NEAR, FAR, TURNED, FINE)  # climbed until a face is credible
WELL_SEEN = 1.12  # times as large as a step's smallest faces: the next step would show such a face no better


def climb(
    photo: Photo,
    half_seen: Sequence[Face],
    ladder: Sequence[Look],
    at_least: Look | None = NEAR,
    within: Box | None = None,
) -> tuple[list[Face], str]:
    """Return the faces that the CNN sees, or HOG is sure of, in no order, and the last look needed, or "in doubt".

    `half_seen` are HOG's faces that score `HALF_SEEN` or more, the best first. The search goes on until a face is
    credible, and up to `at_least`, if given, in any case. With `within`, only faces that this box marks are returned.

    Raises FaceSimError when the photo cannot be read.
    """
    sure = [face for face in half_seen if face.score >= SURE]
    windows, look = _search(photo, ladder, at_least, within, bool(sure))
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


def _search(
    photo: Photo, ladder: Sequence[Look], at_least: Look | None, within: Box | None, sure: bool
) -> tuple[list[Window], Look]:
    """Return the windows that show faces, and the last look needed; a `sure` face is there already.

    A look need not be finished where its best face is well seen: others about as large have been seen, too.
    """
    windows: list[Window] = []
    needed = at_least is not None
    for look in ladder:
        for step in look.steps:
            sides = _sides(photo, look, step)
            seen = [window for angle in look.angles for window in cnn_windows(photo, sides, angle)]
            windows += [
                window
                for window in seen
                if window.score >= look.min_score and (within is None or marks(within, window.box()))
            ]
            best = max(windows, default=None)
            smallest = WINDOW * max(photo.size) / max(sides, default=math.inf)  # face that this step shows
            if not needed and best and best.score >= CREDIBLE and best.side > WELL_SEEN * smallest:
                return windows, look
        needed &= look is not at_least
        if not needed and (sure or any(window.score >= CREDIBLE for window in windows)):
            break
    return windows, look


def _sides(photo: Photo, look: Look, step: Sequence[float]) -> set[float]:
    """Return the sides of a step, without those that enlarge the photo too much."""
    most = look.enlarged * max(photo.size)
    return {side if side < 0.9 * most else most for side in step if side < most * 4 / 3}
