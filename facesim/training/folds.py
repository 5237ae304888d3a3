"""Cross-validation by identity: one model per fold, tested on people it never saw."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t

from facesim.data.split import Split
from facesim.drawing.palette import INK
from facesim.evaluation.uncertainty import mean_with_error
from facesim.files import write_whole
from facesim.training.processes import Processes
from facesim.training.record import RunFiles, read_json, write_json

MEASURES = ("f1", "accuracy", "fmr", "fnmr")


def cross_validate(
    train_fold: Callable[[Split, RunFiles], dict], splits: list[Split], folder: Path, processes: Processes
) -> dict:
    """Train and test on each split, in a folder of its own; return all results, their means and standard errors.

    The results of folds that an earlier call has finished are read.
    """
    results = []
    for number, split in enumerate(splits, 1):
        files = RunFiles(folder / f"fold-{number}")
        if processes.from_main(files.results.is_file):
            results.append(processes.from_main(functools.partial(read_json, files.results)))
        else:
            results.append(train_fold(split, files))
    summary = {"folds": results} | summarise(results)
    if processes.main:
        write_json(RunFiles(folder).results, summary)
        draw_folds(summary, folder / "folds.png")
    return summary


def summarise(results: list[dict]) -> dict[str, Any]:
    """Return mean and standard error of each measure over the folds.

    If the models have a start, its own are beside them, and what they gain over it: the mean difference in F1 with its
    95 % interval (Student's t).
    """
    means: dict[str, Any] = {measure: mean_with_error([result[measure] for result in results]) for measure in MEASURES}
    if all("start" in result for result in results):
        starts = [result["start"] for result in results]
        mean, error = mean_with_error([r["f1"] - start["f1"] for r, start in zip(results, starts, strict=True)])
        reach = float(t.ppf(0.975, len(results) - 1)) * error
        means |= {"start": summarise(starts), "gain": {"f1": mean, "interval": (mean - reach, mean + reach)}}
    return means


def table(summary: dict) -> str:
    """Return the folds as text, a line each, with their means ± standard errors underneath."""
    lines = ["fold   threshold   F1        accuracy   FMR       FNMR      pairs"]
    for number, r in enumerate(summary["folds"], 1):
        rates = f"{r['f1']:.4f}    {r['accuracy']:.2%}     {r['fmr']:6.2%}    {r['fnmr']:6.2%}"
        lines.append(f"{number:<6} {r['threshold']:.4f}      {rates}    {r['test_pairs']}")
    lines.append("")
    for name, means in (("trained", summary), ("start", summary["start"])) if "start" in summary else (("", summary),):
        for measure, title in zip(MEASURES, ("F1", "accuracy", "FMR", "FNMR"), strict=True):
            mean, error = means[measure]
            shown = f"{mean:.4f} ± {error:.4f}" if measure == "f1" else f"{mean:.2%} ± {error:.2%}"
            lines.append(f"{title:<9} {shown:<20}{name}".rstrip())
    return "\n".join([*lines, *_gain(summary["gain"])] if "gain" in summary else lines)


def _gain(gain: dict[str, Any]) -> list[str]:
    """Return in words whether training helped."""
    low, high = gain["interval"]
    changed = "raised F1" if low > 0 else "lowered F1" if high < 0 else "did not change F1 beyond chance"
    return ["", f"Training {changed}: {gain['f1']:+.4f} (95 %: {low:+.4f} to {high:+.4f})."]


def draw_folds(summary: dict, path: Path) -> None:
    """Draw each fold's F1 with its 95 % interval, and the mean ± standard error, to `path`."""
    folds = summary["folds"]
    numbers = np.arange(1, len(folds) + 1)
    f1 = np.array([fold["f1"] for fold in folds])
    reach = np.abs(np.array([fold["f1_interval"] for fold in folds]).T - f1)
    mean, error = summary["f1"]
    figure = Figure((7, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(mean - error, mean + error, alpha=0.2, label="± standard error")
    axes.axhline(mean, linewidth=1, label=f"mean {mean:.4f} ± {error:.4f}")
    axes.errorbar(numbers, f1, reach, fmt="o", color=INK, capsize=3, label="a fold, 95 %")
    axes.set(xlabel="fold", ylabel="F1 on people never seen", xticks=numbers)
    axes.grid(alpha=0.3)
    axes.legend()
    with write_whole(path) as scratch:
        figure.savefig(scratch, dpi=110)
