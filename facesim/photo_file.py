"""A photo's file: what is checked before a decoder may open it, and what its errors say."""

import contextlib
import io
import os
import re
import stat
import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from facesim.errors import FaceSimError
from facesim.install import install_command
from facesim.pixels import MAX_PIXELS, PixelsError

MAX_FILE = 300_000_000  # bytes; some decoders read a whole file into memory
_ADDRESS = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]+:/|data:)")
MAX_STEPS = 1_000_000  # in which a file is read; 300 MB of PNG have some 300,000
# What a camera, a phone or a web page gives. Pillow can read more, and every decoder is one more door for a stranger.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "DIB")
_LIST_TAGS = (273, 279, 324, 325)  # where a TIFF's strips or tiles lie, and how long they are
MAX_SCANS = 200  # of a JPEG: with its thumbnails and, of an MPO, its other pictures
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def formats_of(file: BinaryIO, name: str) -> tuple[str, ...]:
    """Return the formats that the file may have; for HEIC, load its decoder, which is an extra."""
    head = file.read(12)
    file.seek(0)
    if head[:2] == b"\xff\xd8":
        _check_scans(file)
    elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _check_lists(file, "<" if head[:2] == b"II" else ">", b"+" in head[2:4])
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIF_BRANDS:
        return _FORMATS
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise FaceSimError(f"{name} is a HEIC photo, which needs pillow-heif: {install_command('heic')}.") from error
    pillow_heif.register_heif_opener()
    return (*_FORMATS, "HEIF")


def _check_scans(file: BinaryIO) -> None:
    """Raise ValueError where a JPEG draws itself over and over; a progressive one has some ten scans."""
    scans, last = 0, b""
    while block := file.read(2**20):
        scans += (last + block).count(b"\xff\xda")
        last = block[-1:]
    file.seek(0)
    if scans > MAX_SCANS:
        raise ValueError(f"it has {scans} scans")


def _check_lists(file: BinaryIO, order: str, long: bool) -> None:
    """Raise ValueError where a TIFF's lists of its pieces, which Pillow unpacks, are longer than a photo has rows."""
    pointer, number, entry = (
        (f"{order}Q", f"{order}Q", f"{order}HHQQ") if long else (f"{order}I", f"{order}H", f"{order}HHII")
    )

    def read(kind: str) -> tuple[int, ...]:
        return struct.unpack(kind, file.read(struct.calcsize(kind)))

    file.seek(8 if long else 4)
    file.seek(*read(pointer))
    for _ in range(*read(number)):
        tag, _, count, _ = read(entry)
        if tag in _LIST_TAGS and count > MAX_STEPS:
            raise ValueError("it is in too many pieces")
    file.seek(0)


def check_file(path: str) -> None:
    """Raise FaceSimError where no photo can be read from `path`, saying why."""
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
    check_length(found.st_size, path)


def check_length(length: int, name: str) -> None:
    """Raise FaceSimError where a file has too few or too many bytes for a photo."""
    if length == 0:
        raise FaceSimError(f"{name} is empty: it holds no photo.")
    if length > MAX_FILE:
        raise FaceSimError(f"{name} has more than {MAX_FILE // 10**6} MB: reduce the photo first.")


def name_of(file: BinaryIO, called: str) -> str:
    """Return what errors call a file object: its file's path, else `called`."""
    name = getattr(file, "name", "")  # of a temporary file it is a number
    return (os.fsdecode(name) if isinstance(name, (str, os.PathLike)) else "") or called or "the given file"


def file_state(found: os.stat_result) -> tuple[int, int, int, int]:
    """Return what changes when a file is replaced or written to: device, inode, size and modification time."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class CountedReader(io.BufferedReader):
    """A file that refuses to be read in more than `MAX_STEPS` steps: a hostile file keeps decoders busy for minutes."""

    _steps = 0

    def read(self, size: int | None = -1) -> bytes:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ValueError("it is in too many pieces")
        return super().read(size)


@contextlib.contextmanager
def translate_errors(name: str) -> Iterator[None]:
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
