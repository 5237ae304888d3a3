"""Draw an inspection: how many photos each identity has, how large they are, and the worst findings."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image, ImageOps

from facesim.data.inspection import Inspection
from facesim.drawing.figures import as_image
from facesim.drawing.palette import BLUE, GREY, INK, RED
from facesim.errors import FaceSimError
from facesim.photo import open_photo
from facesim.text import printable

_COLUMNS, _ROWS = 4, 4  # of findings
_SIDE = 200  # pixels of a photo shown
_LETTERS = 27  # of a name that fit under one


def draw_inspection(inspection: Inspection) -> Image.Image:
    """Return a picture: photos per identity, photo sizes, and up to sixteen findings, the worst first."""
    findings = _findings(inspection)
    rows = -(-len(findings) // _COLUMNS)
    figure = Figure((14, 4 + 2.5 * rows), layout="constrained")
    charts, *strips = figure.subfigures(rows + 1, 1, squeeze=False, height_ratios=[4] + [2.5] * rows).ravel()
    left, right = charts.subplots(1, 2)
    total = f"{len(inspection.dataset.photos):,} photos of {len(inspection.counts):,} identities"
    charts.suptitle(f"{printable(inspection.dataset.name)}: {total}", fontsize=15, color=INK, parse_math=False)
    _draw_counts(left, np.array(list(inspection.counts.values())))
    _draw_sizes(right, inspection.sizes[inspection.sizes.min(axis=1) > 0])
    for start, strip in enumerate(strips):
        for i, axes in enumerate(strip.subplots(1, _COLUMNS)):
            axes.axis("off")
            number = start * _COLUMNS + i
            if number < len(findings):
                _draw_finding(axes, inspection, *findings[number])
    return as_image(figure)


def _draw_counts(axes: Axes, counts: np.ndarray) -> None:
    edges = np.unique(np.geomspace(counts.min(), counts.max() + 1, 25).astype(int))
    axes.hist(counts, (edges - 0.5).tolist(), color=BLUE, edgecolor="white", linewidth=0.5)
    if counts.max() > 10 * counts.min():
        _make_log(axes, "x")
    if counts.size > 50:
        _make_log(axes, "y")
        axes.set_ylim(0.7)
    axes.set(title="photos per identity", xlabel="photos", ylabel="identities")
    axes.grid(alpha=0.3)


def _draw_sizes(axes: Axes, sizes: np.ndarray) -> None:
    distinct, times = np.unique(sizes, axis=0, return_counts=True)
    axes.scatter(distinct[:, 0], distinct[:, 1], s=12 + 400 * times / len(sizes), color=BLUE, alpha=0.5, linewidth=0)
    if sizes.max() > 10 * sizes.min():
        _make_log(axes, "x")
        _make_log(axes, "y")
    else:
        axes.set(xlim=(0, 1.1 * sizes[:, 0].max()), ylim=(0, 1.1 * sizes[:, 1].max()))
    axes.set(title="photo sizes: the larger the dot, the more photos", xlabel="width in pixels", ylabel="height")
    axes.grid(alpha=0.3)


def _make_log(axes: Axes, name: str) -> None:
    axes.set(**{f"{name}scale": "log"})
    axis = getattr(axes, f"{name}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _findings(inspection: Inspection) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return title, colour and photos of the findings to show: several names first, and some of each kind."""
    names = [("same photo, two names", RED, copies.photos) for copies in inspection.two_names()]
    faceless = [("no face found", INK, (i,)) for i in inspection.faceless]
    same_name = [("same photo, same name", GREY, copies.photos) for copies in inspection.one_name()]
    shown = names[: _COLUMNS * _ROWS // 2]
    shown += faceless[: (_COLUMNS * _ROWS - len(shown)) // 2]
    return shown + same_name[: _COLUMNS * _ROWS - len(shown)]


def _draw_finding(axes: Axes, inspection: Inspection, title: str, colour: str, photos: tuple[int, ...]) -> None:
    shown = [_thumbnail(inspection.dataset.root / inspection.dataset.photos[i]) for i in photos[:2]]
    both = Image.new("RGB", (2 * _SIDE + 8, _SIDE), "white")
    middles = (_SIDE // 2, both.width - _SIDE // 2) if len(shown) == 2 else (both.width // 2,)
    for i, photo, middle in zip(photos, shown, middles, strict=False):
        both.paste(photo, (middle - photo.width // 2, (_SIDE - photo.height) // 2))
        file = Path(inspection.dataset.photos[i]).name
        caption = f"{_shorten(str(inspection.dataset.identities[i]))}\n{_shorten(file)}"
        axes.text(middle, _SIDE + 4, caption, fontsize=7, color=INK, ha="center", va="top", parse_math=False)
    axes.imshow(both)
    axes.set_title(title, fontsize=10, color=colour)


def _thumbnail(path: Path) -> Image.Image:
    try:
        return ImageOps.contain(open_photo(path).view(_SIDE), (_SIDE, _SIDE))
    except FaceSimError:  # deleted since it was inspected
        return Image.new("RGB", (_SIDE, _SIDE), GREY)


def _shorten(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS // 2]}…{name[-(_LETTERS // 2) :]}"
