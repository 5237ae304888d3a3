"""The detectors' files, as they ship beside this module."""

import zlib
from pathlib import Path

from facesim.errors import FaceSimError

FOLDER = Path(__file__).parent
CHECKSUMS = {"hog.svm": 0x083622D1, "cnn.onnx": 0x358780FE}  # CRC-32


def shipped_file(name: str) -> Path:
    """Return the path of a detector's file; raises FaceSimError, naming it, where it is missing or damaged."""
    path = FOLDER / name
    try:
        whole = zlib.crc32(path.read_bytes()) == CHECKSUMS[name]
    except OSError as error:
        raise FaceSimError(f"{path} cannot be read ({error.strerror}): install facesim again.") from error
    if not whole:
        raise FaceSimError(f"{path} is damaged: install facesim again.")
    return path
