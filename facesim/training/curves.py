"""Draw the curves of a run, by epoch."""

import json
from pathlib import Path

from matplotlib.figure import Figure

from facesim.files import write_whole

PANELS = {
    "loss": "training loss",
    "validation_f1": "validation F1",
    "violations": "triplets that violate the margin",
}


def draw_curves(metrics: Path, path: Path) -> None:
    """Draw the metrics file, a JSON line per epoch, to `path`: a row per stage, a panel per measure."""
    lines = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    figure = Figure((4.2 * len(PANELS), 3.2 * len(stages)), layout="constrained")
    for row, stage in zip(figure.subplots(len(stages), len(PANELS), squeeze=False), stages, strict=True):
        epochs = [line for line in lines if line["stage"] == stage]
        for axes, (key, name) in zip(row, PANELS.items(), strict=True):
            if key not in epochs[0]:
                axes.set_axis_off()
                continue
            axes.plot([e["epoch"] for e in epochs], [e[key] for e in epochs], marker="o", markersize=3)
            axes.set(title=f"{stage}: {name}", xlabel="epoch")
            axes.grid(alpha=0.3)
            axes.xaxis.get_major_locator().set_params(integer=True)
        row[0].set_yscale("log")
    with write_whole(path) as scratch:
        figure.savefig(scratch, dpi=110)
