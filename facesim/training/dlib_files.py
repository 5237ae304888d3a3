"""dlib's own files, as installed with `face_recognition_models`: their paths, and the tensors in them."""

import contextlib
import math
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from facesim.errors import FaceSimError
from facesim.install import install_command

RECOGNISER_FILE = "dlib_face_recognition_resnet_model_v1.dat"
DETECTOR_FILE = "mmod_human_face_detector.dat"
LANDMARK_FILE = "shape_predictor_5_face_landmarks.dat"
_VERSION = b"\x01\x02"  # dlib's integer 2: one byte follows, and it is 2


def find_dlib_file(name: str) -> Path:
    """Return the path of a file of `face_recognition_models`, which cannot be imported with today's setuptools."""
    with contextlib.suppress(PackageNotFoundError):
        package = distribution("face_recognition_models")
        path = Path(str(package.locate_file(f"face_recognition_models/models/{name}")))
        if path.is_file():
            return path
    raise FaceSimError(
        f"{name} comes in the package face_recognition_models, which is not installed: "
        f"{install_command('sources')}, or train without it (--init shipped --localiser-epochs 0)."
    )


class TensorReader:
    """Reads the tensors of a network that dlib has saved, in their order.

    A tensor is a version, four dimensions, then little-endian float32. There are other records in between, so each
    tensor is searched for by its header.
    """

    def __init__(self, path: Path):
        self._path = path
        self._content = path.read_bytes()
        self._position = 0

    def next(self, *dimensions: int) -> np.ndarray:
        """Return the next tensor of these four dimensions, flat: `(n,) float32`.

        Raises FaceSimError if the file holds no more of them.
        """
        header = _VERSION + b"".join(map(_integer, dimensions))
        start = self._content.find(header, self._position) + len(header)
        size = math.prod(dimensions)
        if start < len(header) or start + 4 * size > len(self._content):
            raise FaceSimError(f"{self._path} does not hold dlib's network: reinstall face_recognition_models.")
        self._position = start + 4 * size
        return np.frombuffer(self._content, "<f4", size, start).copy()


def _integer(value: int) -> bytes:
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")
