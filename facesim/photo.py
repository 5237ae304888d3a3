"""Open a photo safely: every common format, upright, in sRGB, within limits, at no higher resolution than needed."""

import contextlib
import io
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeGuard

import numpy as np
from PIL import Image

from facesim.errors import FaceSimError
from facesim.photo_file import (
    MAX_FILE,
    CountedReader,
    check_file,
    check_length,
    file_state,
    formats_of,
    name_of,
    translate_errors,
)
from facesim.pixels import MAX_PIXELS, upright_rgb, upright_size

PhotoSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm"),
}


def open_photo(source: "PhotoSource | Photo", called: str = "") -> "Photo":
    """Return the photo at a path, or in bytes, a binary file object, a PIL image or an RGB array `(h, w, 3) uint8`.

    A file object is read from its current position. For a path only the header is read here, the pixels by
    `Photo.view`; everything else is copied at once, so that its owner may change it afterwards. Errors call a photo
    that has no name of its own `called`.

    Raises FaceSimError, naming the file, for anything that is not a readable photo within limits: files up to 300 MB,
    90 million pixels, a JPEG of 179 million.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        check_file(path)
        return Photo(path, Path(path))
    with _lock_of(source):
        return _copied(source, called)


def take_photos(photos: Sequence[PhotoSource], number: int | None = None) -> "list[PhotoSource | Photo]":
    """Return photos whose owner may change them afterwards: paths as they are, all else opened, each object once.

    A photo without a name is called "photo 7" after its `number`, or in a pair "the second photo of pair 7".
    """
    taken: dict[int, Photo] = {}
    for index, photo in enumerate(photos):
        if not is_path(photo) and id(photo) not in taken:
            called = f"photo {number}"
            if len(photos) == 2:
                called = ("the first photo", "the second photo")[index] + (f" of pair {number}" if number else "")
            taken[id(photo)] = open_photo(photo, called)
    return [taken.get(id(photo), photo) for photo in photos]


def is_path(photo: object) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether a photo is given by its path."""
    return isinstance(photo, (str, os.PathLike))


def _copied(source: bytes | BinaryIO | Image.Image | np.ndarray, called: str) -> "Photo":
    if isinstance(source, np.ndarray):
        name = called or "the given array"
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise FaceSimError(
                f"{name} has the shape {source.shape} and the type {source.dtype}: give (height, width, 3), uint8, in "
                "the order red, green, blue."
            )
        return Photo(name, Image.fromarray(source))  # which copies it
    if isinstance(source, Image.Image):
        name = str(getattr(source, "filename", "")) or called or "the given image"
        with translate_errors(name):
            if source.width * source.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return Photo(name, source.copy())
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = called or "the photo given as bytes"
        check_length(len(source), name)
        return Photo(name, bytes(source))
    if hasattr(source, "read"):
        return Photo(name_of(source, called), read_bytes(source, called))
    raise FaceSimError(
        f"{called or 'what was given'} is of the type {type(source).__name__}, not a photo: give a path, bytes, a "
        "file, an image or an array."
    )


_in_use: weakref.WeakValueDictionary[int, threading.Lock] = (
    weakref.WeakValueDictionary()
)  # locks, by the id of the object that each guards
_finding_lock = threading.Lock()


def _lock_of(source: object) -> threading.Lock:
    """Return the lock of an object that several threads may hold: Pillow cannot read one image in two threads."""
    with _finding_lock:
        return _in_use.setdefault(id(source), threading.Lock())


def read_bytes(file: BinaryIO, called: str = "") -> bytes:
    """Return what a binary file object holds from its position on; raises FaceSimError as `open_photo` does."""
    name = name_of(file, called)
    with translate_errors(name):
        data = file.read(MAX_FILE + 1)
    if not isinstance(data, bytes):
        raise FaceSimError(f"{name} was opened as text: open it with mode 'rb'.")
    check_length(len(data), name)
    return data


class Photo:
    """A photo, as `open_photo` gives it: its `name`, its upright `size` (width, height) in pixels, and `view`s of it.

    The EXIF orientation is applied; an animation or document is its first frame or page; transparency is laid over
    white; 16-bit greys are scaled to 8; colours with an ICC profile are converted to sRGB.
    """

    def __init__(self, name: str, source: Path | bytes | Image.Image):
        self.name = name
        self.warnings: tuple[str, ...] = ()  # why its pixels may be wrong, once they are read
        self._source = source
        self._seen: Image.Image | None = None
        self._state: tuple[int, ...] | None = None
        self._formats: tuple[str, ...] = ()  # that it may have, once its file has been checked
        with translate_errors(name), self._opened() as image:
            self.size = upright_size(image)
        if not all(self.size):
            raise FaceSimError(f"{name} is empty: it has no pixels.")

    def view(self, longer_side: int | None = None, enough: int | None = None) -> Image.Image:
        """Return the photo as RGB, at least `longer_side` pixels wide or high where it has them; or at its full size.

        It is not resized to that side, only decoded and reduced by whole factors, so it may be larger. The finest view
        so far is kept, and returned again if it has that side, or one that is `enough`.

        Raises FaceSimError, naming the file, when its pixels cannot be read.
        """
        full = max(self.size)
        longer_side = min(longer_side or full, full)
        seen = self._seen  # another thread may replace it by a coarser one
        if seen is None or max(seen.size) < min(longer_side, enough or full):
            with translate_errors(self.name):
                self._seen = seen = self._decoded(longer_side)
        return seen

    def _decoded(self, longer_side: int) -> Image.Image:
        try:
            with self._opened() as image:
                return upright_rgb(image, longer_side)
        except OSError as error:
            if error.errno or not self._lacks_end_lock_of():
                raise
        self.warnings = ("its file lacks the end",)
        return self._decoded(longer_side)

    def _lacks_end_lock_of(self) -> bool:
        """Return whether it is a JPEG cut short after its last row; if so, add the missing end."""
        from facesim.jpeg import END, has_all_rows  # few photos need it

        if isinstance(self._source, Image.Image) or self.warnings:
            return False
        data = self._source if isinstance(self._source, bytes) else self._source.read_bytes()
        whole = has_all_rows(data)
        if whole:
            self._source, self._state = data + END, None
        return whole

    @property
    def held(self) -> int:
        """Return how many bytes of memory the photo takes before it is decoded."""
        if isinstance(self._source, Image.Image):
            return 4 * self._source.width * self._source.height
        return len(self._source) if isinstance(self._source, bytes) else 0

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        if isinstance(self._source, Image.Image):
            yield self._source
            return
        raw = io.BytesIO(self._source) if isinstance(self._source, bytes) else io.FileIO(self._source)
        with CountedReader(raw) as file:
            self._check_unchanged(raw)
            try:
                self._formats = self._formats or formats_of(file, self.name)
                with Image.open(file, formats=self._formats) as image:
                    yield image
            finally:
                self._check_unchanged(raw)

    def _check_unchanged(self, file: io.BytesIO | io.FileIO) -> None:
        """Raise FaceSimError where the file has changed: a box found in it earlier would lie elsewhere."""
        state = file_state(os.fstat(file.fileno())) if isinstance(file, io.FileIO) else None
        if self._state not in (None, state):
            raise FaceSimError(f"{self.name} was changed while it was read: try again.")
        self._state = state
