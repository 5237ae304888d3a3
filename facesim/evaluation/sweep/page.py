"""The sweep's page: one file that needs nothing else, with a slider for the threshold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.embed import components
from markupsafe import Markup
from PIL import ImageOps

from facesim.drawing.html import bokeh_inside, face_uri, jpeg_uri, page_environment
from facesim.errors import FaceSimError
from facesim.evaluation.formatting import number, percent
from facesim.evaluation.groups import MIN_PAIRS, GroupReport
from facesim.evaluation.metrics import pairs_needed
from facesim.evaluation.scoring import Scores
from facesim.evaluation.summary import Summary
from facesim.evaluation.sweep.charts import undrawable
from facesim.evaluation.sweep.curve import Sweep
from facesim.evaluation.sweep.det import det_span, on_det
from facesim.evaluation.sweep.groups_plots import GROUP_COLOURS, group_plots, undrawable_groups
from facesim.evaluation.sweep.plots import make_plots
from facesim.evaluation.sweep.worst_errors import WorstErrors
from facesim.evaluation.text import rate_in_words, ratio_text
from facesim.files import write_whole
from facesim.photo import open_photo
from facesim.text import pluralise

_NO_BREAK = "\N{NO-BREAK SPACE}"
_SIDE = 96  # pixels of a face
_QUALITY = 78  # of a JPEG: some 3 kB a face
_PHOTO = 160  # pixels of the longer side of a photo without a face


@dataclass(frozen=True, slots=True)
class _Photo:
    name: str  # of whoever is on it, or of its file
    file: str
    image: Markup | None  # a data URI
    problem: str = ""
    genuine: int = 0  # pairs that contain it
    impostor: int = 0


@dataclass(frozen=True, slots=True)
class _Pair:
    first: _Photo
    second: _Photo
    distance: float


def write_page(
    scores: Scores,
    sweep: Sweep,
    summary: Summary,
    worst: WorstErrors,
    faceless: np.ndarray,
    metrics: dict,
    groups: GroupReport | None,
    path: Path,
) -> None:
    """Write the page to `path`, with the photos `faceless`, `(m,) int`, that show no face."""
    plots = make_plots(sweep, summary) | (group_plots(groups) if groups else {})
    script, charts = components(plots) if plots else ("", {})
    environment = page_environment(Path(__file__).parent)
    environment.filters |= {"percent": lambda rate: percent(rate).replace(" ", _NO_BREAK), "number": number}
    environment.filters |= {"rate": rate_in_words, "ratio": ratio_text, "count": pluralise}
    page = environment.get_template("sweep.html").render(
        metrics=metrics,
        summary=summary,
        rates=summary.rates,
        groups=groups,
        min_pairs=MIN_PAIRS,
        marks=GROUP_COLOURS,
        by_people=scores.protocol.people is not None,
        needed={fmr: pairs_needed(fmr) for fmr in summary.tars},
        best=metrics["best_f1_on_these_pairs"],
        false_matches=[_show_pair(scores, int(i)) for i in worst.false_matches],
        false_non_matches=[_show_pair(scores, int(i)) for i in worst.false_non_matches],
        faceless=[_show_faceless(scores, photo) for photo in faceless],
        reasons=undrawable(sweep, summary) | (undrawable_groups(groups) if groups else {}),
        charts={name: Markup(div) for name, div in charts.items()},
        bokeh=bokeh_inside() if charts else "",
        charts_script=Markup(script),
        data=_data(sweep, summary) | {"charts": len(charts)},
    )
    with write_whole(path) as scratch:
        scratch.write_bytes(page.encode(errors="replace"))  # a file's name may not be text


def _data(sweep: Sweep, summary: Summary) -> dict:
    """Return what the script needs: the counts at each threshold, and its point on the DET."""
    rates = sweep.rates
    data: dict[str, Any] = {
        "thresholds": rates.threshold.tolist(),
        "falseMatches": rates.false_matches.tolist(),
        "falseNonMatches": rates.false_non_matches.tolist(),
        "genuine": rates.genuine,
        "impostor": rates.impostor,
        "stored": sweep.stored,
    }
    if "det" not in undrawable(sweep, summary):
        data["det"] = [deviates.round(4).tolist() for deviates in on_det(rates, det_span(summary))]
    return data


def _show_pair(scores: Scores, i: int) -> _Pair:
    pairs = scores.protocol.pairs
    first, second = (_show_face(scores, int(photo)) for photo in (pairs.first[i], pairs.second[i]))
    return _Pair(first, second, float(scores.distances[i]))


def _show_face(scores: Scores, photo: int) -> _Photo:
    return _Photo(*_names(scores, photo), face_uri(scores.crops.wide[photo], _SIDE, _QUALITY))


def _show_faceless(scores: Scores, photo: int) -> _Photo:
    dataset, pairs = scores.protocol.source.dataset, scores.protocol.pairs
    path = dataset.root / dataset.photos[photo]
    problem = scores.crops.problems[photo].replace(str(path), path.name)
    image = None
    try:
        image = jpeg_uri(ImageOps.contain(open_photo(path).view(_PHOTO), (_PHOTO, _PHOTO)), _QUALITY)
    except FaceSimError as error:
        problem = str(error).replace(str(path), path.name)
    in_pair = (pairs.first == photo) | (pairs.second == photo)
    counts = int((in_pair & pairs.same).sum()), int((in_pair & ~pairs.same).sum())
    return _Photo(*_names(scores, photo), image, problem, *counts)


def _names(scores: Scores, photo: int) -> tuple[str, str]:
    dataset = scores.protocol.source.dataset
    file = dataset.photos[photo]
    identity = str(dataset.identities[photo]).replace("_", " ")
    return (identity, Path(file).name) if identity else (file, "")
