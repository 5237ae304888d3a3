"""What figures drawn by matplotlib share: titles, legends and axes of one style, and the way to a picture."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from facesim.drawing.palette import GREY


def new_figure(size: tuple[float, float], title: str, dpi: int = 130) -> Figure:
    """Return a figure of so many inches, with a small grey title above; dollar signs in it are no mathematics."""
    figure = Figure(size, dpi=dpi, layout="constrained")
    figure.suptitle(title, fontsize=9, color=GREY, parse_math=False)
    return figure


def use_log_percent(axis: Axis, locator: LogLocator) -> None:
    """Label a logarithmic axis of rates in percent, where `locator` says."""
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")


def add_legend(figure: Figure, handles: Sequence[Artist], names: list[str], **options: Any) -> None:
    """Add a legend with names as they are: with dollar signs, or beginning with an underscore."""
    legend = figure.legend(handles, ["name"] * len(names), frameon=False, fontsize=9, **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)


def as_image(figure: Figure) -> Image.Image:
    """Draw a figure and return it as a picture; letters that the font lacks become boxes, without a warning."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
