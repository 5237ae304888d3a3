"""The colours of all pictures, and the font for names."""

import functools
import importlib.util
from pathlib import Path

from PIL import ImageFont

PAPER, INK, GREY = "#ffffff", "#1b1b1b", "#6b7076"
GREEN, RED = "#1a7f37", "#c62828"  # right and wrong, genuine and impostor, same and different
BLUE, ORANGE = "#2f6db5", "#a85b00"
MARKS = (
    ("o", INK),
    ("s", ORANGE),
    ("^", "#7a3b9e"),
    ("D", "#00735c"),
    ("v", BLUE),
)  # of thresholds, in matplotlib's letters


@functools.cache
def name_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font for names: matplotlib's, if that is installed, as it has more letters than Pillow's own."""
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)
