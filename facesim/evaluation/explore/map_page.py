"""The map's page: one file that needs nothing else, on which pointing at a face shows it."""

from pathlib import Path, PurePath

from bokeh.embed import components
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure
from markupsafe import Markup

from facesim.drawing.html import CLEAR, bokeh_inside, face_uri, page_environment
from facesim.evaluation.explore.map import PhotoMap
from facesim.evaluation.explore.map_signs import OTHERS, legend_of, signs_of
from facesim.evaluation.explore.map_text import axis_labels, describe
from facesim.text import printable

_SIDE = 56  # pixels of a face: some 2 kB
_MAX_TOGETHER = 4  # faces shown where points overlap
_TOOLTIP = f"""
<div style="display: flex; gap: 8px; align-items: center; margin: -5px; padding: 6px; max-width: 240px;
            background: var(--card); color: var(--ink); font: 13px/1.35 system-ui, sans-serif">
  <img src="@face" width="{_SIDE}" height="{_SIDE}" alt="">
  <div style="overflow-wrap: anywhere"><b>@identity</b><br>@file</div>
</div>
"""


def draw_page(photo_map: PhotoMap) -> str:
    """Return the page's HTML."""
    script, chart = components(_plot(photo_map))
    environment = page_environment(Path(__file__).parent)
    environment.filters["printable"] = printable
    return environment.get_template("map.html").render(
        name=printable(photo_map.dataset.name),
        description=describe(photo_map),
        legend=legend_of(photo_map.identities),
        chart=Markup(chart),
        bokeh=bokeh_inside(),
        charts_script=Markup(script),
    )


def _plot(photo_map: PhotoMap) -> figure:
    signs = signs_of(photo_map.identities)
    shown = [signs.get(name, OTHERS) for name in photo_map.identities.tolist()]
    x, y = photo_map.map.points.T
    points = ColumnDataSource(
        {
            "x": x,
            "y": y,
            "identity": [printable(name) or "unknown" for name in photo_map.identities.tolist()],
            "file": [printable(PurePath(photo_map.dataset.photos[photo]).name) for photo in photo_map.photos],
            "face": [str(face_uri(photo_map.crops.wide[photo], _SIDE, quality=75)) for photo in photo_map.photos],
            "colour": [sign.colour for sign in shown],
            "shape": [sign.shape.bokeh for sign in shown],
        }
    )
    across, up = axis_labels(photo_map)
    plot = figure(
        sizing_mode="stretch_width",
        height=560,
        x_axis_label=across,
        y_axis_label=up,
        match_aspect=True,  # distances look the same in every direction
        tools="pan,wheel_zoom,box_zoom,reset,save",
        **CLEAR,
    )
    plot.scatter("x", "y", source=points, size=9, color="colour", marker="shape", fill_alpha=0.75, line_width=0.5)
    plot.add_tools(HoverTool(tooltips=_TOOLTIP, limit=_MAX_TOGETHER, show_arrow=False))
    return plot
