"""What do the start, the loss and the mining bring? Six trainings on LFW, each judged on people it never saw.

python benchmarks/training.py
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from accuracy import folder_pairs, judge

from facesim import FaceSimError, Model
from facesim.data.cache import cached_crops
from facesim.data.lfw import data_home
from facesim.evaluation.scoring import embed_crops
from facesim.training.record import RunFiles
from facesim.training.run import train
from facesim.training.settings import Settings

STARTS = {"shipped": {}, "scratch": {"backbone": "small"}}
OBJECTIVES = (("contrastive", "semihard"), ("triplet", "random"), ("triplet", "semihard"))


@dataclass(frozen=True, slots=True)
class Row:
    """One training: what it began with and learned by, how fast, and what it is worth on unseen people."""

    start: str
    loss: str
    mining: str
    epochs: int
    images_per_second: float
    f1: float
    f1_interval: tuple[float, float]
    pins_f1: float | None
    pins_auc: float | None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.Path(path_type=Path), default="runs/comparison", show_default=True)
@click.option("--pins", type=click.Path(exists=True, file_okay=False), help="Any folder of people who are not in LFW.")
@click.option("--epochs", type=int, help="Epochs of learning identities, instead of the best known for each start.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def main(runs, pins, epochs, as_json):
    """Train on LFW from scratch (the small backbone) and from the model that ships, by pairs and by triplets.

    Each model is tested on LFW's folds 9 and 10 at the threshold that fold 8 chose, and at that threshold on 2,000
    pairs of Pins, which no model was trained on. Some hours on two cores; trainings that an earlier call has finished
    are read from --runs, one that was cut short goes on.
    """
    try:
        rows = [
            compare(start, loss, mining, runs, Path(pins) if pins else data_home() / "pins", epochs)
            for start in STARTS
            for loss, mining in OBJECTIVES
        ]
    except FaceSimError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if as_json else table(rows))


def compare(start: str, loss: str, mining: str, runs: Path, pins: Path, epochs: int | None) -> Row:
    """Train one model, or read what an earlier call has trained, and judge it."""
    files = finished(
        Settings.best(**STARTS[start], loss=loss, mining=mining, epochs=epochs), runs / f"{start}-{loss}-{mining}"
    )
    results = json.loads(files.results.read_text("utf-8"))
    learned = [json.loads(line) for line in files.metrics.read_text("utf-8").splitlines()]
    learned = [line for line in learned if line["stage"] == "identity"]
    speed = float(np.median([line["images_per_second"] for line in learned]))
    f1 = results["f1"], tuple(results["f1_interval"])
    return Row(start, loss, mining, len(learned), speed, *f1, *elsewhere(Model(files.model), pins))


def finished(settings: Settings, folder: Path) -> RunFiles:
    files = RunFiles(folder)
    if not files.results.is_file() or Settings.read(files.settings) != settings:
        train(settings, folder, resume=files.checkpoint.is_file())
    return files


def elsewhere(model: Model, pins: Path) -> tuple[float | None, float | None]:
    """Return F1 at the stored threshold, and AUC, on people of another data set; None where it is not there."""
    try:
        dataset, pairs = folder_pairs(pins)
    except FaceSimError as error:
        click.echo(f"pins is skipped: {error}", err=True)
        return None, None
    photos = pairs.photos()
    embeddings = embed_crops(model, cached_crops(dataset, photos), photos)
    result = judge(model.path.name, model.info.threshold, embeddings, dataset, pairs)
    return result.f1, result.auc


def table(rows: list[Row]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [
        "| start | loss | mining | epochs | images/s | F1 on LFW's test people (95 %) | F1 on Pins | AUC on Pins |"
    ]
    lines.append("|" + "---|" * 8)
    for row in rows:
        f1 = f"{row.f1:.4f} ({row.f1_interval[0]:.4f} to {row.f1_interval[1]:.4f})"
        pins = ["–", "–"] if row.pins_f1 is None else [f"{row.pins_f1:.4f}", f"{row.pins_auc:.4f}"]
        cells = [row.start, row.loss, row.mining, str(row.epochs), f"{row.images_per_second:.0f}", f1, *pins]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
