"""Draw a map of photos as a picture."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from facesim.drawing.figures import add_legend, as_image
from facesim.drawing.palette import INK
from facesim.evaluation.explore.map import PhotoMap
from facesim.evaluation.explore.map_signs import OTHERS, legend_of, signs_of
from facesim.evaluation.explore.map_text import axis_labels, describe
from facesim.text import printable, shortened

_LETTERS = 28  # of a name in the legend


def draw_map(photo_map: PhotoMap) -> Image.Image:
    """Return a picture of the map: one point per photo, with its identity's sign, and a legend if they are few."""
    figure = Figure((11, 8), dpi=130, layout="constrained")
    axes = figure.subplots()
    identities, points = photo_map.identities, photo_map.map.points
    signs = signs_of(identities)
    shown = {OTHERS: ~np.isin(identities, list(signs))} | {sign: identities == name for name, sign in signs.items()}
    for sign, rows in shown.items():
        look = {"c": sign.colour, "marker": sign.shape.matplotlib, "edgecolors": "white"}
        axes.scatter(points[rows, 0], points[rows, 1], s=26, alpha=0.8, lw=0.4, **look)
    axes.set_aspect("equal", adjustable="datalim")  # distances look the same in every direction
    axes.grid(alpha=0.25)
    across, up = axis_labels(photo_map)
    axes.set(xlabel=across, ylabel=up)
    figure.suptitle(printable(photo_map.dataset.name), fontsize=15, color=INK, parse_math=False)
    axes.set_title("\n".join(describe(photo_map)), fontsize=9, color=INK, parse_math=False)
    legend = legend_of(identities)
    if legend:
        handles = [Line2D([], [], ls="", marker=sign.shape.matplotlib, color=sign.colour) for sign in legend.values()]
        add_legend(figure, handles, [shortened(name, _LETTERS) for name in legend], loc="outside right upper")
    return as_image(figure)
