"""What figures drawn by matplotlib share: titles, legends and axes of one style, and the way to a picture."""

import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from facesim.drawing.palette import GREY


def new_figure(size: tuple[float, float], title: str, dpi: int = 130) -> Figure:
    """Return a figure of so many inches, with a small grey title above; dollar signs in it are no mathematics."""
    figure = Figure(size, dpi=dpi, layout="constrained")
    figure.suptitle(title, fontsize=9, color=GREY, parse_math=False)
    return figure


def open_frame(axes: Axes) -> None:
    """Draw a light grid, and no frame above and to the right."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def use_log_percent(axis: Axis, locator: LogLocator) -> None:
    """Label a logarithmic axis of rates in percent, where `locator` says."""
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")


def legend_below(figure: Figure, axes: Axes, columns: int = 1) -> None:
    """Put the legend of `axes` below the figure."""
    marks = axes.get_legend_handles_labels()
    without_mathematics(figure.legend(*marks, loc="outside lower left", ncols=columns, frameon=False, fontsize=9))


def without_mathematics(legend: Legend) -> None:
    """Have a legend show names with dollar signs as they are."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def as_image(figure: Figure) -> Image.Image:
    """Draw a figure and return it as a picture; letters that the font lacks become boxes, without a warning."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
