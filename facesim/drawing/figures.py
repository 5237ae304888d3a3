"""What figures that matplotlib draws share: names in any letters, legends, and the way to a picture."""

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from PIL import Image


def as_image(figure: Figure) -> Image.Image:
    """Draw a figure and return it as a picture."""
    canvas = FigureCanvasAgg(figure)
    with any_letters():
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@contextlib.contextmanager
def any_letters() -> Iterator[None]:
    """Draw a name in letters that the font lacks as boxes, without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        yield


def without_mathematics(legend: Legend) -> Legend:
    """Have a legend show a name with dollar signs as it is."""
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend
