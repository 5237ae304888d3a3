"""The error rates at every threshold, in arrays of bounded size however many pairs there are.

Throughout, `distances` is `(n,) float`, NaN where a photo shows no face: such a pair is a non-match at every threshold.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesim.evaluation.metrics import Rates, SortedDistances
from facesim.files import write_whole

COLUMNS = {
    "threshold": "threshold",
    "TP": "true_matches",
    "FP": "false_matches",
    "TN": "true_non_matches",
    "FN": "false_non_matches",
    "precision": "precision",
    "recall": "recall",
    "F1": "f1",
    "accuracy": "accuracy",
    "FMR": "fmr",
    "FNMR": "fnmr",
}
_RANKS = 60  # genuine and impostor distances, from either end and evenly between, at which ROC and DET are drawn
_BEYOND = 1.01  # how far the grid goes past the largest distance
_BINS = (10, 80)  # of a histogram: the fewest and the most


@dataclass(frozen=True, slots=True)
class Sweep:
    """The rates at every threshold of a grid, the curve of ROC and DET, and the histograms of distances."""

    rates: Rates[np.ndarray]  # arrays are `(t,)`, thresholds ascending
    stored: int  # index of the model's own threshold
    best: int | None  # index of the best F1 on these very pairs; None where no genuine pair has a distance
    curve: Rates[np.ndarray]  # arrays are `(k,)`: the corners of ROC and DET, or, of very many, some hundreds
    edges: np.ndarray  # (b + 1,) of the bins of distances
    genuine: np.ndarray  # (b,) int, pairs in each bin
    impostor: np.ndarray  # (b,) int

    @property
    def thresholds(self) -> np.ndarray:
        return self.rates.threshold


def sweep(distances: np.ndarray, same: np.ndarray, threshold: float, steps: int = 1000) -> Sweep:
    """Try `steps` even thresholds from 0 to just over the largest distance, and also `threshold` and the best one.

    Raises FaceSimError where the arrays are not of one length.
    """
    measured = SortedDistances.of(distances, same)
    genuine, impostor = (kind[np.isfinite(kind)] for kind in (measured.genuine, measured.impostor))
    end = _BEYOND * max(genuine.max(initial=0), impostor.max(initial=0), threshold) or 1.0
    best = measured.best_f1_threshold() if len(measured.steps) else None
    thresholds = np.union1d(np.linspace(0, end, steps), [threshold] if best is None else [threshold, best])
    bins = int(np.clip(np.sqrt(len(genuine) + len(impostor)), *_BINS))
    edges = np.linspace(0, end, bins + 1)
    return Sweep(
        rates=measured.curve(thresholds),
        stored=int(np.searchsorted(thresholds, threshold)),
        best=None if best is None else int(np.searchsorted(thresholds, best)),
        curve=measured.curve(_corners(genuine, impostor)),
        edges=edges,
        genuine=np.histogram(genuine, edges)[0],
        impostor=np.histogram(impostor, edges)[0],
    )


def _corners(*kinds: np.ndarray) -> np.ndarray:
    """Return thresholds just above distances, ascending; of many distances, those at the ends and some between."""
    chosen = [np.array([-np.inf])]
    for ascending in kinds:
        last = len(ascending) - 1
        if last >= 0:
            tail = np.geomspace(1, last + 1, _RANKS) - 1
            ranks = np.concatenate([tail, last - tail, np.linspace(0, last, _RANKS)])
            chosen.append(np.nextafter(ascending[np.unique(ranks.round().astype(int))], np.inf))
    return np.unique(np.concatenate(chosen))


def write_csv(rates: Rates[np.ndarray], path: Path) -> None:
    """Write rates, one line per threshold; what is undefined is left empty."""
    columns = [getattr(rates, field).tolist() for field in COLUMNS.values()]
    with write_whole(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in zip(*columns, strict=True):
            writer.writerow("" if value != value else value for value in row)
