"""A sweep as a folder: table, figures, charts, and a page with a slider for the threshold."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facesim.drawing.palette import PAPER
from facesim.evaluation.formatting import as_dict, number, percent
from facesim.evaluation.groups import GroupReport, measure_groups
from facesim.evaluation.pair_grid import draw_pairs, stack_titled
from facesim.evaluation.scoring import Scores
from facesim.evaluation.summary import Summary, summarise
from facesim.evaluation.sweep.curve import Sweep, sweep, write_csv
from facesim.evaluation.sweep.worst_errors import WorstErrors, photos_without_face, worst_errors
from facesim.evaluation.text import groups_text
from facesim.files import save_picture, write_folder, write_whole
from facesim.model import Model
from facesim.text import pluralise, printable

_CHARTS = ("threshold", "distances", "roc", "det", "reliability")
FILES = ("index.html", "sweep.csv", "metrics.json", "errors.png", "groups.png", *(f"{chart}.png" for chart in _CHARTS))
_DRAWN = 16  # errors of each kind in errors.png


@dataclass(frozen=True, slots=True)
class Report:
    """What was written, and where."""

    folder: Path
    sweep: Sweep
    summary: Summary
    errors: WorstErrors
    metrics: dict  # as metrics.json holds it
    groups: GroupReport | None  # where groups were asked for


def write_report(scores: Scores, model: Model, folder: Path, errors: int = 50, by: tuple[str, ...] = ()) -> Report:
    """Write sweep.csv, metrics.json, the charts and index.html to `folder`, with up to `errors` errors of each kind.

    Errors are also measured by the groups that the columns `by` make, as `measure_groups` does.

    Raises FaceSimError where the folder cannot be written; it is then left as it was.
    """
    from facesim.evaluation.charts import draw_groups  # matplotlib and Bokeh are not needed to measure
    from facesim.evaluation.sweep.charts import draw_charts
    from facesim.evaluation.sweep.page import write_page

    protocol, distances = scores.protocol, np.asarray(scores.distances, float)
    same, threshold = protocol.pairs.same, model.info.threshold
    swept = sweep(distances, same, threshold)
    summary = summarise(distances, same, threshold, model.info.calibration, protocol.identities_of_pairs())
    worst = worst_errors(distances, same, threshold, errors)
    faceless = photos_without_face(protocol.pairs, scores.crops.usable)
    groups = measure_groups(scores, model.info, by) if by else None
    metrics = _metrics(scores, model, swept, summary, len(faceless)) | {"groups": as_dict(groups)}
    report = Report(folder, swept, summary, worst, metrics, groups)
    with write_folder(folder) as scratch:
        write_csv(swept.rates, scratch / "sweep.csv")
        with write_whole(scratch / "metrics.json") as path:
            path.write_text(json.dumps(metrics, indent=2) + "\n", "utf-8")
        draw_charts(swept, summary, protocol.name, scratch)
        save_picture(_draw_errors(scores, worst, threshold), scratch / "errors.png")
        if groups:
            save_picture(draw_groups(groups, protocol.name), scratch / "groups.png")
        write_page(scores, swept, summary, worst, faceless[:errors], metrics, groups, scratch / "index.html")
    return report


def _metrics(scores: Scores, model: Model, swept: Sweep, summary: Summary, faceless: int) -> dict:
    protocol, best = scores.protocol, None
    if swept.best is not None:
        best = {
            "threshold": float(swept.thresholds[swept.best]),
            "f1": float(swept.rates.f1[swept.best]),
            "note": "an oracle's figure: chosen on the same pairs that it is measured on",
        }
    return {
        "trial": protocol.name,
        "model": str(model.path),
        "pairs": len(protocol.pairs),
        "people": protocol.people,
        "photos": len(protocol.pairs.photos()),
        "photos_without_face": faceless,
        "seed": protocol.seed,
        "threshold": summary.rates.threshold,
        "recorded": model.info.worst_text(summary.rates.threshold),
        "summary": as_dict(summary),
        "best_f1_on_these_pairs": best,
    }


def _draw_errors(scores: Scores, worst: WorstErrors, threshold: float) -> Image.Image:
    grids = []
    for title, indices in (
        ("wrongly matched: impostor pairs, the nearest first", worst.false_matches),
        ("missed: genuine pairs, the farthest first", worst.false_non_matches),
    ):
        shown, pairs = indices[:_DRAWN], scores.protocol.pairs
        if len(shown):
            grids.append((title, draw_pairs(scores.crops.wide, pairs.at(shown), scores.distances[shown], threshold)))
    nothing = "no pair with a face in both photos is wrong at the stored threshold"
    return stack_titled(grids or [(nothing, Image.new("RGB", (600, 1), PAPER))])


def as_text(report: Report) -> str:
    """Return the figures at the stored threshold, one line each, and the path of the report."""
    metrics, rates = report.metrics, report.summary.rates
    people = "" if metrics["people"] is None else f" of {metrics['people']:,} people"
    lines = [
        f"evaluated on  {printable(metrics['trial'])}",
        f"pairs         {rates.genuine:,} genuine, {rates.impostor:,} impostor{people}",
        f"threshold     {rates.threshold:.4f}, from the model file",
        f"F1            {number(rates.f1)}",
        f"precision     {number(rates.precision)}",
        f"recall        {number(rates.recall)}",
        f"FMR           {percent(rates.fmr)}, {rates.false_matches:,} wrongly matched",
        f"FNMR          {percent(rates.fnmr)}, {rates.false_non_matches:,} missed",
    ]
    lines.append(f"no face in    {metrics['photos_without_face']:,} of {metrics['photos']:,} photos")
    missing = report.summary.genuine_without_face + report.summary.impostor_without_face
    if missing:
        lines[-1] += f"; {pluralise(missing, 'pair counts as a non-match', 'pairs count as non-matches')}"
    if report.groups:
        lines += ["", groups_text(report.groups), ""]
    lines.append(f"report        {report.folder / 'index.html'}")
    lines.append(
        "To choose a threshold for such photos: facesim calibrate --data FOLDER, or --pairs FILE, -o mine.onnx"
    )
    return "\n".join(lines)
