"""Draw errors by group: a row for each group, its FMR on the left and its FNMR on the right, on logarithmic axes."""

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image

from facesim.evaluation.groups import MIN_PAIRS, GroupReport, GroupsAt, Rate
from facesim.evaluation.sweep_charts import BLUE, ORANGE
from facesim.evaluation.wording import number
from facesim.figures import as_image, shortened, without_mathematics
from facesim.files import printable
from facesim.picture import INK

SIGNS = (("o", INK), ("s", ORANGE), ("^", "#7a3b9e"), ("D", "#00735c"), ("v", BLUE))  # of the first thresholds
KINDS = {"fmr": "impostor", "fnmr": "genuine"}  # whose errors each rate counts
_GREY = "#6b7076"
_LETTERS = 40  # of a name


def draw_groups(report: GroupReport, name: str) -> Image.Image:
    """Return a picture of a report on the trial `name`: its first five thresholds, each with a mark of its own."""
    points = drawn_points(report)
    rows = report.points[0].groups
    figure = Figure((11, 2.2 + len(rows) * (0.22 + 0.13 * len(points))), dpi=130, layout="constrained")
    for axes, (kind, of) in zip(figure.subplots(1, 2, sharey=True), KINDS.items(), strict=True):
        rates = [[getattr(group, kind) for group in at.groups] for at in points]
        left = lowest(rates)
        axes.set(xscale="log", xlim=(left, 1), ylim=(len(rows) - 0.5, -0.5))
        for place, row in enumerate(rows):
            if place % 2:
                axes.axhspan(place - 0.5, place + 0.5, color=_GREY, alpha=0.08, linewidth=0)
            if getattr(row, kind).rate is None:
                few = f"fewer than {MIN_PAIRS} {of} pairs"
                axes.text(left * 1.1, place, few, va="center", color=_GREY, fontsize=9)
        for i, (at, of_point, (shape, colour)) in enumerate(zip(points, rates, SIGNS, strict=False)):
            _draw_point(axes, of_point, offset(i, len(points)), left, shape, colour, label_of(at))
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
        axes.set_title(f"{kind.upper()}: share of {of} pairs that are wrong", fontsize=11)
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(range(len(rows)), [shortened(row.group, _LETTERS) for row in rows])
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
    by = shortened(" and ".join(report.by), _LETTERS)
    title = f"{shortened(name, 80)}, by {by}; 95 % intervals; hollow: no error seen"
    figure.suptitle(title, fontsize=9, color=_GREY, parse_math=False)
    marks = axes.get_legend_handles_labels()
    without_mathematics(figure.legend(*marks, loc="outside lower left", ncols=len(points), frameon=False, fontsize=9))
    return as_image(figure)


def drawn_points(report: GroupReport) -> tuple[GroupsAt, ...]:
    """Return the thresholds that a picture has marks for."""
    return report.points[: len(SIGNS)]


def label_of(at: GroupsAt) -> str:
    """Return what a legend calls a threshold."""
    return f"{printable(at.name)}: {number(at.threshold)}"


def offset(place: int, count: int) -> float:
    """Return how far under a row's middle the mark of one of `count` thresholds lies."""
    return 0.7 * ((place + 0.5) / count - 0.5)


def lowest(rates: list[list[Rate]]) -> float:
    """Return where a logarithmic axis of rates begins: at half an error in the largest group."""
    return 0.5 / max([MIN_PAIRS, *(rate.pairs for of_point in rates for rate in of_point)])


def _draw_point(axes, rates: list[Rate], offset: float, left: float, shape: str, colour: str, label: str) -> None:
    axes.plot([], [], shape, color=colour, label=label)
    for place, rate in enumerate(rates):
        if rate.rate is None:
            continue
        low, high = (max(end, left) for end in rate.interval)
        axes.plot([low, high], [place + offset] * 2, color=colour, linewidth=1.5, alpha=0.7)
        mark = "none" if not rate.errors else colour
        axes.plot(max(rate.rate, left), place + offset, shape, color=colour, markerfacecolor=mark, clip_on=False)
