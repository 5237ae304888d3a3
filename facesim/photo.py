"""Open a photo safely: every common format, upright, in sRGB, within limits, and no finer than it is looked at."""

import contextlib
import io
import os
import re
import stat
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from facesim.errors import FaceSimError
from facesim.photo_formats import MAX_STEPS, formats_of
from facesim.pixels import MAX_PIXELS, PixelsError, upright_rgb, upright_size

PhotoSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

PHOTO_SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".jp2", ".ppm", ".pgm"),
}
MAX_FILE = 300_000_000  # bytes; some decoders read a whole file into memory
_ADDRESS = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]+:/|data:)")


def open_photo(source: "PhotoSource | Photo", called: str = "") -> "Photo":
    """Return the photo at a path, or in bytes, a binary file object, a PIL image or an RGB array `(h, w, 3) uint8`.

    A file object is read from where it stands. Of a path only the head is read here, the pixels with `Photo.view`;
    anything else is read here and now, so that its owner may go on with it. `called` is what errors name a photo that
    has no name of its own.

    Raises FaceSimError, naming the file, for anything that is not a readable photo within limits: files up to 300 MB,
    90 million pixels, a JPEG of 179 million.
    """
    if isinstance(source, Photo):
        return source
    if is_path(source):
        path = os.fsdecode(source)
        _check_file(path)
        return Photo(path, Path(path))
    with _alone(source):
        return _own_photo(source, called)


def take_photos(photos: Sequence[PhotoSource], number: int | None = None) -> "list[PhotoSource | Photo]":
    """Return photos whose owner may go on with them: paths as they are, anything else opened; each object once.

    What has no name of its own is called "photo 7" after its `number`, or in a pair "the second photo of pair 7".
    """
    taken: dict[int, Photo] = {}
    for place, photo in enumerate(photos):
        if not is_path(photo) and id(photo) not in taken:
            called = f"photo {number}"
            if len(photos) == 2:
                called = ("the first photo", "the second photo")[place] + (f" of pair {number}" if number else "")
            taken[id(photo)] = open_photo(photo, called)
    return [taken.get(id(photo), photo) for photo in photos]


def is_path(photo: object) -> bool:
    """Return whether a photo is given by its path."""
    return isinstance(photo, (str, os.PathLike))


def file_state(found: os.stat_result) -> tuple[int, int, int, int]:
    """Return what tells whether a file is another than it was: its device, inode, size, and time of change."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _own_photo(source: PhotoSource, called: str) -> "Photo":
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
        with _sentences(name):
            if source.width * source.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return Photo(name, source.copy())
    if isinstance(source, (bytes, bytearray, memoryview)):
        name = called or "the photo given as bytes"
        _check_length(len(source), name)
        return Photo(name, bytes(source))
    if hasattr(source, "read"):
        return Photo(_name_of(source, called), read_bytes(source, called))
    raise FaceSimError(
        f"{called or 'what was given'} is of the type {type(source).__name__}, not a photo: give a path, bytes, a "
        "file, an image or an array."
    )


_in_use: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # locks by the id of what they guard
_finding_lock = threading.Lock()


def _alone(source: object) -> threading.Lock:
    """Return the lock of an object that several threads may have been given: Pillow reads no image twice at once."""
    with _finding_lock:
        return _in_use.setdefault(id(source), threading.Lock())


def read_bytes(file: BinaryIO, called: str = "") -> bytes:
    """Return what a binary file object holds from where it stands; raises FaceSimError as `open_photo` does."""
    name = _name_of(file, called)
    with _sentences(name):
        data = file.read(MAX_FILE + 1)
    if not isinstance(data, bytes):
        raise FaceSimError(f"{name} was opened as text: open it with mode 'rb'.")
    _check_length(len(data), name)
    return data


class Photo:
    """A photo, as `open_photo` gives it: its `name`, its upright `size` (width, height) in pixels, and `view`s of it.

    The EXIF orientation is applied; of an animation or several pages the first counts; transparency is laid over
    white; 16-bit greys are scaled to 8; colours with an ICC profile become sRGB.
    """

    def __init__(self, name: str, source: Path | bytes | Image.Image):
        self.name = name
        self.warnings: tuple[str, ...] = ()  # why its pixels may be wrong, once they are read
        self._source = source
        self._seen: Image.Image | None = None
        self._state: tuple[int, ...] | None = None
        with _sentences(name), self._opened() as image:
            self.size = upright_size(image)
        if not all(self.size):
            raise FaceSimError(f"{name} is empty: it has no pixels.")

    def view(self, longer_side: int | None = None) -> Image.Image:
        """Return the photo as RGB, at least `longer_side` pixels wide or high where it has them; or at its full size.

        It is not resized to that side, only decoded and reduced by whole factors. A finer view than was asked for is
        kept and given again.

        Raises FaceSimError, naming the file, when its pixels cannot be read.
        """
        full = max(self.size)
        longer_side = min(longer_side or full, full)
        seen = self._seen  # another thread may give it a coarser one
        if seen is None or max(seen.size) < longer_side:
            with _sentences(self.name):
                self._seen = seen = self._decoded(longer_side)
        return seen

    def _decoded(self, longer_side: int) -> Image.Image:
        try:
            with self._opened() as image:
                return upright_rgb(image, longer_side)
        except OSError as error:
            if error.errno or not self._lacks_end_alone():
                raise
        self.warnings = ("its file lacks the end",)
        return self._decoded(longer_side)

    def _lacks_end_alone(self) -> bool:
        """Return whether it is a JPEG that was cut short behind its last row; if so, give it its end."""
        from facesim.jpeg import END, has_all_rows  # hardly a photo needs it

        if isinstance(self._source, Image.Image) or self.warnings:
            return False
        data = self._source if isinstance(self._source, bytes) else self._source.read_bytes()
        whole = has_all_rows(data)
        if whole:
            self._source, self._state = data + END, None
        return whole

    @property
    def held(self) -> int:
        """Return how many bytes of memory the photo takes before it is looked at."""
        if isinstance(self._source, Image.Image):
            return 4 * self._source.width * self._source.height
        return len(self._source) if isinstance(self._source, bytes) else 0

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        if isinstance(self._source, Image.Image):
            yield self._source
            return
        in_memory = isinstance(self._source, bytes)
        with _Steps(io.BytesIO(self._source) if in_memory else io.FileIO(self._source)) as file:
            self._check_unchanged(file.raw)
            try:
                with Image.open(file, formats=formats_of(file, self.name)) as image:
                    yield image
            finally:
                self._check_unchanged(file.raw)

    def _check_unchanged(self, file: io.RawIOBase) -> None:
        """Raise FaceSimError where a file is another than it was: a box found in it would lie elsewhere."""
        state = file_state(os.fstat(file.fileno())) if isinstance(file, io.FileIO) else None
        if self._state not in (None, state):
            raise FaceSimError(f"{self.name} was changed while it was read: try again.")
        self._state = state


class _Steps(io.BufferedReader):
    """A file that is read in no more than so many steps: of a hostile one, decoders take millions, for minutes."""

    _steps = 0

    def read(self, size: int | None = -1) -> bytes:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ValueError("it is in too many pieces")
        return super().read(size)


def _check_file(path: str) -> None:
    if _ADDRESS.match(path) and not os.path.exists(path):
        raise FaceSimError(f"{path} is an address: download the photo first, then give its file.")
    try:
        found = os.stat(path)
    except ValueError as error:
        raise FaceSimError(f"{path!r} is not the name of a file.") from error
    except OSError as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise FaceSimError(f"{path} does not exist: check the path.") from error
        raise FaceSimError(f"{path} cannot be read: {error.strerror}.") from error
    if stat.S_ISDIR(found.st_mode):
        raise FaceSimError(f"{path} is a folder: give the path of a photo in it.")
    if not stat.S_ISREG(found.st_mode):  # a pipe or a device: reading it may never end
        raise FaceSimError(f"{path} is not a regular file: give a photo.")
    _check_length(found.st_size, path)


def _name_of(file: BinaryIO, called: str) -> str:
    name = getattr(file, "name", "")  # of a temporary file it is a number
    return (os.fsdecode(name) if is_path(name) else "") or called or "the given file"


def _check_length(length: int, name: str) -> None:
    if length == 0:
        raise FaceSimError(f"{name} is empty: it holds no photo.")
    if length > MAX_FILE:
        raise FaceSimError(f"{name} has more than {MAX_FILE // 10**6} MB: reduce the photo first.")


@contextlib.contextmanager
def _sentences(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a FaceSimError that names the photo."""
    try:
        yield
    except FaceSimError:
        raise
    except Image.DecompressionBombError as error:
        most = f"{MAX_PIXELS // 10**6} million pixels, in some formats fewer"
        raise FaceSimError(f"{name} claims more than is safe to decode ({most}): reduce it first.") from error
    except UnidentifiedImageError as error:
        raise FaceSimError(f"{name} is not a photo that facesim can read (JPEG, PNG, WebP, HEIC, …).") from error
    except PixelsError as error:
        raise FaceSimError(f"{name} {error}.") from error
    except MemoryError as error:
        raise FaceSimError(f"{name} needs more memory than there is: reduce it first.") from error
    except Exception as error:  # Pillow's decoders raise almost anything on a broken file
        if isinstance(error, OSError) and error.errno:
            raise FaceSimError(f"{name} cannot be read: {error.strerror}.") from error
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise FaceSimError(f"{name} is damaged or cut short ({reason}): get a whole copy.") from error
