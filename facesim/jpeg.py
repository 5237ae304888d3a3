"""Find out whether a JPEG file that lacks its end still has all its rows."""

import io
import zlib

from PIL import Image

from facesim.pixels import MAX_PIXELS

END = b"\xff\xd9"  # the marker that ends a JPEG
_START, _SCAN = b"\xff\xd8", b"\xff\xda"
_OTHER = b"\xaa" * 1024  # what might follow, every bit unlike the zeros that are read beyond the end, or the next one
_MAX_BYTES = 2**26
_STRIP = 256  # rows


def has_all_rows(data: bytes) -> bool:
    """Return whether a JPEG without its end marker has all its rows: what might follow its last byte alters no pixel.

    A progressive one, whose later scans only sharpen the earlier, is never taken to be whole.
    """
    if data[:2] != _START or len(data) > _MAX_BYTES:
        return False
    data = data.rstrip(b"\xff")  # the end's first half
    return _checksum(data + END) == _checksum(data + _OTHER + END) is not None


def _checksum(data: bytes) -> int | None:
    """Return a checksum of the pixels of a JPEG in a single scan, None of any other."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        channels = data[data.rfind(_SCAN) + 4]  # in the last scan
        if (
            image.info.get("progressive")
            or channels != getattr(image, "layers", None)
            or image.width * image.height > MAX_PIXELS
        ):
            return None
        whole = 0
        for top in range(0, image.height, _STRIP):
            strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
            whole = zlib.crc32(strip.tobytes(), whole)
        return whole
