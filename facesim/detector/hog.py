"""dlib's frontal face detector (HOG, max-margin object detection: King 2015): quick, and reliable on upright faces."""

import threading

import dlib
import numpy as np

from facesim.detector.box import Box, Face
from facesim.detector.shipped import shipped_file

# An ordinary face scores 1 to 3; HOG takes anything over 0 for a face.
SURE = 0.8  # the CNN confirms nearly all faces that score more
HALF_SEEN = -0.3  # from this score on, a face that the CNN sees, too, gets HOG's box, which is the better one

_of_thread = threading.local()


def hog_faces(image: np.ndarray, min_score: float) -> list[Face]:
    """Return the faces of 75 pixels and more in an image, `(h, w, 3) uint8`, that score `min_score`, the best first.

    Raises FaceSimError when the detector's file is damaged.
    """
    rectangles, scores, _ = _detector().run(image, 0, min_score)
    return [
        Face(Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1), 0, score)
        for r, score in zip(rectangles, scores, strict=True)
    ]


def _detector() -> dlib.fhog_object_detector:
    """Return this thread's own detector: dlib releases the GIL, and a detector cannot process two photos at once."""
    if not hasattr(_of_thread, "detector"):
        # dlib's own, saved once: loading takes 2 ms, dlib.get_frontal_face_detector() 300 ms
        _of_thread.detector = dlib.fhog_object_detector(str(shipped_file("hog.svm")))
    return _of_thread.detector
