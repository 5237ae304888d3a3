"""The formats that a photo's file may have, and what is looked at in it before a decoder may open it."""

import struct
from typing import BinaryIO

from facesim.errors import FaceSimError
from facesim.install import install_command

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
