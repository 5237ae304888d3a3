"""The colours of all pictures, and the font that names are written in."""

import functools
import importlib.util
from pathlib import Path

from PIL import ImageFont

PAPER, INK, GREY = "#ffffff", "#1b1b1b", "#6b7076"
GREEN, RED = "#1a7f37", "#c62828"  # right and wrong, genuine and impostor, same and different
BLUE, ORANGE = "#2f6db5", "#a85b00"
MARKS = (("o", INK), ("s", ORANGE), ("^", "#7a3b9e"), ("D", "#00735c"), ("v", BLUE))  # matplotlib's, of thresholds


@functools.cache
def name_font(size: int) -> ImageFont.FreeTypeFont:
    """Return a font to write names in: matplotlib's, where that is installed, knows more letters than Pillow's own."""
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
