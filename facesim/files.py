"""Write files so that a reader finds the old one or the new one, never a half."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from facesim.errors import FaceSimError

if TYPE_CHECKING:
    from PIL import Image

PICTURE_SUFFIXES = ("", ".png", ".jpg", ".jpeg")


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a scratch path beside `path`, with its suffix, and rename it to `path` once the block has succeeded."""
    scratch = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def printable(name: str) -> str:
    """Return the name of a file or folder as one line of text: on disk it may be no text, or hold line breaks."""
    return " ".join(name.encode(errors="replace").decode().split())


def check_picture_path(path: Path) -> None:
    """Raise FaceSimError where no picture could be written to `path`, before the work that it is to show."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise FaceSimError where no file could be written to `path`, before the work that it is to hold."""
    if not path.parent.is_dir():
        raise FaceSimError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise FaceSimError(f"{path} cannot be written: it is a folder; name a file.")
    if not os.access(path.parent, os.W_OK):
        raise FaceSimError(f"{path} cannot be written: the folder {path.parent} is read-only; name another.")


def save_picture(picture: "Image.Image", path: Path) -> None:
    """Write a picture in the format that the suffix of `path` names, PNG without one.

    Raises FaceSimError where it cannot be written.
    """
    try:
        with write_whole(path) as scratch:
            picture.save(scratch, format=None if scratch.suffix else "png")
    except (ValueError, KeyError) as error:  # Pillow knows no such suffix, or knows it for reading only
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.") from error
    except OSError as error:  # it names the scratch file
        raise FaceSimError(f"{path} cannot be written: {error.strerror or error}.") from error
