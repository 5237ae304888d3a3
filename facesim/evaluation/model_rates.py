"""The rates that go into a model file: threshold and calibration from validation, error rates from the test people."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from facesim.data.dataset import Dataset
from facesim.data.pairs import Pairs, all_pairs, join_pairs, sample_pairs
from facesim.data.source import draw_subset
from facesim.data.split import Split
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE
from facesim.evaluation.calibrate.choice import MAX_F1, choose_calibration, choose_threshold
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.calibration import fit_calibration
from facesim.evaluation.metrics import Interval, SortedDistances, failures_as_errors
from facesim.evaluation.uncertainty import f1_interval, wilson_interval
from facesim.model_info import FORMAT_VERSION, DistanceCounts, ModelInfo, OperatingPoint
from facesim.operating_points import fmr_name

BEST_F1 = "best F1"  # the operating point of the model's own threshold
OPERATING_FMRS = (0.01, 0.001, 0.0001, 0.00001)
GENUINE, IMPOSTOR = 5_000, 100_000  # pairs drawn among held-out people to choose and to measure the strict thresholds
PHOTOS = 10  # of each person: all impostor pairs of these are taken instead, so that nobody dominates them,
MAX_PAIRS = 5_000_000  # unless their pairs are more than this

_STEP = 0.01  # of the counts of distances

Distances = Callable[[Pairs], np.ndarray]  # pairs to distances, NaN where a photo shows no face


def rate_validation(distances: np.ndarray, pairs: Pairs) -> dict[str, float]:
    """Return the highest F1 that any threshold reaches on the validation pairs, that threshold, and the AUC."""
    measured = SortedDistances.of(failures_as_errors(distances, pairs.same), pairs.same)
    threshold = measured.best_f1_threshold()
    return {
        "validation_f1": measured.rates(threshold).f1,
        "validation_auc": measured.auc(),
        "validation_threshold": threshold,
    }


def rate_model(
    distances: Distances,
    dataset: Dataset,
    selected: np.ndarray,
    split: Split,
    about: dict[str, Any],
    changed: np.ndarray | None = None,
    start: ModelInfo | None = None,
    most: float = np.inf,
) -> tuple[ModelInfo, dict[str, Any]]:
    """Return the model file's metadata, and the results on the test people.

    The threshold and the calibration come from the validation pairs and, where given, from their distances `changed`,
    `(n,)`, with one photo degraded, so that they hold for worse photos. The strict thresholds come from all pairs of
    the validation people; all rates are measured on test people. In the test results every pair without a face is an
    error; at the operating points it is a non-match.

    Where validation or test people are too few, there are no operating points. With a `start`, threshold and
    calibration are held to those of that model; where people are too few, they are the same. The threshold is then no
    higher than `most`.
    """
    development, evaluation = (measured_pairs(distances, dataset, selected, p) for p in (split.validation, split.test))
    validation, people = distances(split.validation), split.validation.people(dataset.identities)
    choosing = MeasuredPairs(validation, split.validation.same, people)
    if changed is not None:
        both = np.append(validation, changed)
        choosing = MeasuredPairs(both, np.tile(choosing.same, 2), np.tile(people, (2, 1)))
    enough = not development.lacking() and not evaluation.lacking()
    threshold, calibration = _choose(choosing, start, enough, most)
    points, counts = [], None
    if enough:
        counts = count_distances(evaluation.distances, evaluation.same, dataset.name)
        chosen_on = SortedDistances.of(development.distances, development.same)
        measured = SortedDistances.of(evaluation.distances, evaluation.same)
        strict = {fmr_name(fmr): chosen_on.threshold_for_fmr(fmr) for fmr in OPERATING_FMRS}
        thresholds = {BEST_F1: threshold} | {name: value for name, value in strict.items() if value is not None}
        at = {name: measured.rates(value) for name, value in thresholds.items()}
        points = [OperatingPoint(name, r.threshold, r.fmr, r.fnmr, r.genuine, r.impostor) for name, r in at.items()]

    identities = {part: sorted(people) for part, people in split.identities(dataset).items()}
    results = rate_test(distances(split.test), split.test.same, threshold)
    trained_on = about | {
        "split": split.description,
        "identities": {part: len(people) for part, people in identities.items()},
        "train_identities": identities["train"],
        "validation_identities": identities["validation"],
        "test_identities": identities["test"],
        "test": results,
    }
    info = ModelInfo(
        FORMAT_VERSION,
        threshold,
        "euclidean",
        CROP_SIZE,
        CROP_MARGIN,
        calibration,
        tuple(points),
        trained_on,
        counts,
    )
    return info, results | {"operating_points": [dataclasses.asdict(point) for point in points]}


def count_distances(distances: np.ndarray, same: np.ndarray, data: str) -> DistanceCounts:
    """Count genuine and impostor pairs of `data` by their distances, `(n,)`, NaN where a photo shows no face."""
    last = round(2 / _STEP) - 1
    entries = np.minimum(np.nan_to_num(distances / _STEP, nan=last).astype(int), last)
    genuine, impostor = (tuple(np.bincount(entries[kind], minlength=last + 1).tolist()) for kind in (same, ~same))
    return DistanceCounts(data, _STEP, genuine, impostor)


def rate_test(distances: np.ndarray, same: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return the errors on test pairs, `(n,)`; every pair without a face is one."""
    tested = SortedDistances.of(failures_as_errors(distances, same), same).rates(threshold)
    return {
        "threshold": threshold,
        "test_pairs": len(same),
        "f1": tested.f1,
        "f1_interval": f1_interval(tested),
        "accuracy": tested.accuracy,
        "fmr": tested.fmr,
        "fmr_interval": wilson_interval(tested.false_matches, tested.impostor),
        "fnmr": tested.fnmr,
        "fnmr_interval": wilson_interval(tested.false_non_matches, tested.genuine),
        "pairs_without_a_face": int(np.isnan(distances).sum()),
    }


def _choose(pairs: MeasuredPairs, start: ModelInfo | None, enough: bool, most: float) -> tuple[float, Interval]:
    """Choose the threshold and the calibration, held to those of a `start`; it keeps its own if there is not enough."""
    if start is None:
        threshold = SortedDistances.of(failures_as_errors(pairs.distances, pairs.same), pairs.same).best_f1_threshold()
        return threshold, fit_calibration(pairs.distances, pairs.same, threshold)
    if enough:
        threshold = min(most, choose_threshold(pairs, MAX_F1, start.threshold).threshold)
        return threshold, choose_calibration(pairs, threshold, start.calibration)[0]
    threshold, slope = min(most, start.threshold), start.calibration[1]
    return threshold, (-slope * threshold, slope) if threshold < start.threshold else start.calibration


def measured_pairs(distances: Distances, dataset: Dataset, selected: np.ndarray, held: Pairs) -> MeasuredPairs:
    """Measure genuine and impostor pairs of `selected` photos, `(n,) bool`, of the identities in `held`.

    Genuine pairs are drawn. Impostor pairs are all those of up to ten photos of each identity, so that none dominates,
    or are drawn where those are too many.
    """
    held_out = np.unique(dataset.identities[held.photos()])
    photos = np.flatnonzero(np.isin(dataset.identities, held_out) & selected)
    identities = dataset.identities[photos]
    pairs = sample_pairs(identities, GENUINE, IMPOSTOR, seed=0)
    some = np.flatnonzero(draw_subset(identities, None, PHOTOS, seed=0))
    if len(some) * (len(some) - 1) // 2 <= MAX_PAIRS:
        every = all_pairs(identities[some])
        pairs = join_pairs([pairs.at(pairs.same), every.at(~every.same).among(some)])
    pairs = pairs.among(photos)
    return MeasuredPairs(distances(pairs), pairs.same, pairs.people(dataset.identities))
