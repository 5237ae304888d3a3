"""Open a photo safely: every common format, upright, as RGB, within limits."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facesim.errors import FaceSimError

_WHITE = (255, 255, 255, 255)


def open_photo(path: str | Path) -> Image.Image:
    """Return the photo at `path` as an upright RGB image.

    The EXIF orientation is applied; of an animation the first frame is taken; transparency is laid over white;
    16-bit greys are scaled to 8. Photos over `PIL.Image.MAX_IMAGE_PIXELS` (89 million) are refused unread.

    Raises FaceSimError, naming the file, for anything that is not a whole, readable photo.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FaceSimError(f"{path} is a folder: give the path of a photo in it.")
        if not path.exists():
            raise FaceSimError(f"{path} does not exist: check the path.")
        if not path.is_file():
            raise FaceSimError(f"{path} is not a regular file: give a photo.")
        if path.stat().st_size == 0:
            raise FaceSimError(f"{path} is empty: it holds no photo.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.format == "EPS":  # a program, which Pillow would have Ghostscript run
                    raise Image.UnidentifiedImageError
                return _to_rgb(ImageOps.exif_transpose(image))
    except FaceSimError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS // 10**6
        raise FaceSimError(f"{path} claims more than {limit} million pixels: reduce it first.") from error
    except Image.UnidentifiedImageError as error:
        raise FaceSimError(f"{path} is not a photo that Pillow can read (JPEG, PNG, WebP, …).") from error
    except Exception as error:  # Pillow's decoders raise almost anything on a broken file
        if isinstance(error, OSError) and error.errno:
            raise FaceSimError(f"{path} cannot be read: {error.strerror}.") from error
        raise FaceSimError(f"{path} is damaged or cut short ({error}): get a whole copy.") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        image.load()
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey_to_rgb(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("RGB")
    return image.convert("RGB")


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    """Scale 16-bit integers by 1/257, floats in 0..1 by 255; leave what already lies in 0..255."""
    grey = np.nan_to_num(np.asarray(image, np.float32))
    if image.mode.startswith("I;16") or grey.max() > 255:
        grey = grey / 257
    elif image.mode == "F" and grey.max() <= 1:
        grey = grey * 255
    return Image.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
