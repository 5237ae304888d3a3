"""A video's file: what is checked before OpenCV is loaded."""

import os
import re
from pathlib import Path

from facesim.errors import FaceSimError
from facesim.files import check_apart, check_writable

VIDEO_SUFFIX = ".mp4"  # of the videos that we write
_CAMERA = re.compile(r"[0-9]{1,2}")  # OpenCV reads larger numbers as a choice of driver


def is_camera(source: str) -> bool:
    """Return whether `source` is the number of a camera, and no file."""
    return bool(_CAMERA.fullmatch(source))


def check_source(source: str) -> None:
    """Raise FaceSimError where `source` is neither a camera's number nor a video file that can be read."""
    if is_camera(source):
        return
    if not os.path.isfile(source):  # an address, say, or a pipe, whose reading may never end
        problem = "is no ordinary file" if os.path.exists(source) else "does not exist"
        raise FaceSimError(f"{source} {problem}: give a video file, or the number of a camera.")
    try:
        open(source, "rb").close()
    except OSError as error:
        raise FaceSimError(f"{source} cannot be read: {error.strerror}.") from error


def check_video_path(path: Path, source: str) -> None:
    """Raise FaceSimError where no video of `source` could be written to `path`; to be called before the work."""
    if path.suffix.lower() != VIDEO_SUFFIX:
        raise FaceSimError(f"{path}: videos are written as {VIDEO_SUFFIX}.")
    check_writable(path)
    check_apart([path], [source])
