"""Turn the pixels of any image file into upright RGB in sRGB."""

import io
import math
from typing import cast

from PIL import Image

MAX_PIXELS = 90_000_000  # decoded at once; a larger JPEG is decoded at half, a quarter or an eighth of its size
_MAX_PIXELS_OF_JPEG = 178_956_970  # where Pillow itself refuses
_MAX_MEMORY = 850_000_000  # bytes while a photo is decoded
_MAX_SIDE = 65_535  # pixels, as in a JPEG
_BYTES_PER_PIXEL = {"WEBP": 20, "JPEG2000": 24, "RGBA": 13, "LA": 13, "I": 12, "F": 12, "P": 10, "1": 10, "CMYK": 14}
_DRAFTED = ("JPEG", "MPO")
_SLOW, _MAX_PIXELS_OF_SLOW = ("ppm_plain", "bmp_rle"), 2_000_000  # these are decoded in Python
_ORIENTATION_TAG = 274
_UPRIGHT = {  # what EXIF's orientation asks for
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_BEYOND = 0.25  # of its range, by which a resized image's floats may overshoot
_REDUCIBLE = ("L", "RGB", "CMYK", "YCbCr", "LAB", "HSV", "I", "F")


class PixelsError(Exception):
    """Pixel values whose meaning is unknown; the message completes a sentence that begins with the photo's name."""


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return the width and height that `upright_rgb` gives at full size, before its pixels are read.

    Raises Image.DecompressionBombError where that is more than `MAX_PIXELS` and cannot be decoded smaller.
    """
    pixels = image.width * image.height
    if image.format in _DRAFTED:
        if pixels > _MAX_PIXELS_OF_JPEG or _kept_for_all_scans(image) + 5 * min(pixels, MAX_PIXELS) > _MAX_MEMORY:
            raise Image.DecompressionBombError
    elif pixels > MAX_PIXELS or max(image.size) > _MAX_SIDE or pixels * _bytes_per_pixel(image) > _MAX_MEMORY:
        raise Image.DecompressionBombError
    codecs = {tile.codec_name for tile in getattr(image, "tile", ())}
    if codecs.intersection(_SLOW) and pixels > _MAX_PIXELS_OF_SLOW:
        raise Image.DecompressionBombError
    return image.size[::-1] if _orientation(image) in _SIDEWAYS else image.size


def upright_rgb(image: Image.Image, longer_side: int) -> Image.Image:
    """Return an image as RGB, upright by its EXIF, reduced by a whole factor that leaves its longer side as asked.

    Transparency is laid over white; 16-bit greys are scaled to 8; colours with an ICC profile become sRGB.
    """
    turn = _UPRIGHT.get(_orientation(image))
    profile = image.info.get("icc_profile")
    sixteen_bits = image.mode.startswith("I;16")
    if image.format in _DRAFTED:
        _draft(image, longer_side)
    image = _plain(image)
    factor = max(image.size) // longer_side
    if factor > 1:
        image = image.reduce(factor)
    if image.mode in ("I", "F"):
        image = _eight_bits(image, sixteen_bits)
    if profile:
        image = _to_srgb(image, profile)
    if image.mode != "RGB":
        image = image.convert("RGB")
    image.load()
    return image if turn is None else image.transpose(turn)


def _bytes_per_pixel(image: Image.Image) -> int:
    """Return the memory that decoding and `upright_rgb` take, as measured."""
    if image.mode.startswith("I;16"):
        return 14
    return _BYTES_PER_PIXEL.get(image.format or "") or _BYTES_PER_PIXEL.get(image.mode, 9)


def _kept_for_all_scans(image: Image.Image) -> int:
    """Return how many bytes of coefficients libjpeg keeps of a photo that comes in several scans."""
    if not image.info.get("progressive"):
        return 0
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])  # name, sampling across, down, table
    across, down = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    share = sum(layer[1] * layer[2] for layer in layers) / (across * down)
    return int(2 * share * image.width * image.height)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns these as it loads them
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # a photo with broken EXIF is still a photo
        return 1


def _draft(image: Image.Image, longer_side: int) -> None:
    """Have a JPEG decoded at a half, a quarter or an eighth of its size, while that leaves it `longer_side`."""
    scale = min(longer_side / max(image.size), 1 if image.width * image.height <= MAX_PIXELS else 1 / 2)
    width, height = (max(1, int(side * scale)) for side in image.size)
    image.draft(image.mode, (width, height))  # a second call would do nothing


def _plain(image: Image.Image) -> Image.Image:
    """Return the image in one of the modes that can be reduced; transparency is laid over white."""
    if image.mode == "La":  # Pillow converts it to this only
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(image, mask=image.getchannel("A"))
        return opaque
    if image.mode.startswith("I;16"):
        return image.convert("I")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in _REDUCIBLE else image.convert("RGB")


def _eight_bits(image: Image.Image, sixteen_bits: bool) -> Image.Image:
    """Scale 16-bit integers by 1/257, floats in 0..1 by 255; leave what already lies in 0..255.

    Resized floats may overshoot a little.
    """
    darkest, brightest = grey_range(image)
    if not math.isfinite(brightest - darkest) or darkest < -_BEYOND * max(1, brightest):
        raise PixelsError(f"has values from {darkest:g} to {brightest:g}: give 0 to 1, 0 to 255 or 0 to 65535")
    beyond = 1 + _BEYOND if image.mode == "F" else 1
    scale = 1.0
    if sixteen_bits or brightest > 255 * beyond:
        scale = 1 / 257
    elif image.mode == "F" and brightest <= beyond:
        scale = 255.0
    return image.convert("F").point(lambda level: level * scale + 0.5).convert("L")


def grey_range(image: Image.Image) -> tuple[float, float]:
    """Return the lowest and the highest value of an image with one channel."""
    return cast(tuple[float, float], image.getextrema())


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Map the colours of an ICC profile (a phone's are often Display P3) to sRGB, where it can be read."""
    from PIL import ImageCms  # few photos need it

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in (own.profile.profile_description or "").lower():
            return image
        return ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    except Exception:  # lcms, or Pillow, cannot make sense of it
        return image


def resized(image: Image.Image, longer_side: float) -> Image.Image:
    """Return an image whose longer side has that many pixels."""
    size = fitted_size(image.size, longer_side)
    if image.size == size:
        return image
    return image.resize(size, resampling(longer_side / max(image.size)), reducing_gap=2.0)


def fitted_size(size: tuple[int, int], longer_side: float) -> tuple[int, int]:
    """Return a width and height with that longer side, and of the same shape."""
    width, height = (max(1, round(edge * longer_side / max(size))) for edge in size)
    return width, height


def resampling(scale: float) -> Image.Resampling:
    """Return the filter to resize an image by `scale`."""
    return Image.Resampling.BILINEAR if scale < 1 else Image.Resampling.BICUBIC
