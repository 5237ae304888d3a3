"""Draw a map of photos as a picture."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from facesim.drawing.figures import as_image, without_mathematics
from facesim.drawing.palette import INK
from facesim.evaluation.explore.map import PhotoMap
from facesim.evaluation.explore.map_signs import OTHERS, Sign, legend_of, signs_of
from facesim.evaluation.explore.map_text import axis_labels, describe
from facesim.text import printable, shortened

_LETTERS = 28  # of a name in the legend


def draw_map(photo_map: PhotoMap) -> Image.Image:
    """Return a picture of the map: one point per photo, with its identity's sign, and a legend if they are few."""
    figure = Figure((11, 8), dpi=130, layout="constrained")
    axes = figure.subplots()
    identities, points = photo_map.identities, photo_map.map.points
    signs = signs_of(identities)
    others = ~np.isin(identities, list(signs))
    _draw_points(axes, points[others], OTHERS)
    for name, sign in signs.items():
        _draw_points(axes, points[identities == name], sign)
    axes.set_aspect("equal", adjustable="datalim")  # distances look the same in every direction
    axes.grid(alpha=0.25)
    across, up = axis_labels(photo_map)
    axes.set(xlabel=across, ylabel=up)
    figure.suptitle(printable(photo_map.dataset.name), fontsize=15, color=INK, parse_math=False)
    axes.set_title("\n".join(describe(photo_map)), fontsize=9, color=INK, parse_math=False)
    _draw_legend(figure, legend_of(identities))
    return as_image(figure)


def _draw_points(axes: Axes, points: np.ndarray, sign: Sign) -> None:
    x, y = points.T
    axes.scatter(x, y, s=26, c=sign.colour, marker=sign.shape.matplotlib, alpha=0.8, lw=0.4, edgecolors="white")


def _draw_legend(figure: Figure, signs: dict[str, Sign]) -> None:
    if not signs:
        return
    handles = [Line2D([], [], ls="", marker=sign.shape.matplotlib, color=sign.colour) for sign in signs.values()]
    legend = figure.legend(handles, ["name"] * len(signs), loc="outside right upper", fontsize=9)
    without_mathematics(legend)
    for text, name in zip(legend.get_texts(), signs, strict=True):  # given earlier, "_name" would be left out
        text.set_text(shortened(name, _LETTERS))
