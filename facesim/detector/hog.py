"""dlib's frontal face detector (HOG, max-margin object detection: King 2015): quick, and sure of upright faces."""

import threading

import dlib
import numpy as np

from facesim.detector.box import Box, Face
from facesim.detector.shipped import shipped_file

# A score is 1 to 3 for an ordinary face, and over 0 for anything that HOG takes for a face.
SURE = 0.8  # the CNN agrees with nearly all faces that score more
HALF_SEEN = -0.3  # from here on, a face that the CNN sees, too, has HOG's box, which is the better one

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
    """Return this thread's own detector: dlib lets go of Python's lock, and none can look at two photos at once."""
    if not hasattr(_of_thread, "detector"):
        # dlib's own, saved once: loading takes 2 ms, dlib.get_frontal_face_detector() 300 ms
        _of_thread.detector = dlib.fhog_object_detector(str(shipped_file("hog.svm")))
    return _of_thread.detector
