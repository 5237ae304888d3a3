"""Calibrate a model for one's own photos:

    facesim calibrate --data photos -o mine.onnx

The network stays as it is. People whom it has not seen choose its threshold, calibration and operating points, others
check them, and a copy of the model file holds it all.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facesim.data.pairs import all_pairs, sample_pairs
from facesim.data.source import Source, draw_subset, open_source
from facesim.errors import FaceSimError
from facesim.evaluation.calibrate.check import CheckedRates, Division, check, divide
from facesim.evaluation.calibrate.choice import (
    EER,
    MAX_F1,
    Choice,
    Criterion,
    choose_calibration,
    choose_threshold,
    threshold_for_fmr,
)
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.calibrate.model_file import stated_before, stricter_points, uncalibrated, write_calibrated
from facesim.evaluation.metrics import Interval, pairs_needed
from facesim.evaluation.model_rates import (
    BEST_F1,
    GENUINE,
    IMPOSTOR,
    MAX_PAIRS,
    OPERATING_FMRS,
    PHOTOS,
    count_distances,
)
from facesim.evaluation.protocol import Protocol, people_seen, read_pairs
from facesim.evaluation.scoring import score
from facesim.files import check_apart, check_writable
from facesim.model import Model
from facesim.model_info import DistanceCounts, ModelInfo, OperatingPoint
from facesim.operating_points import fmr_name


@dataclass(frozen=True, slots=True)
class Point:
    """An operating point, and its rates on the people who check."""

    name: str
    threshold: float
    rates: CheckedRates


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was chosen, on whom, and how it did on people who did not choose it."""

    protocol: str
    criterion: str
    model: str  # the new file
    by_identity: bool  # else nobody knows who is on the photos, and pairs are taken as independent
    halves: bool  # else by folds
    chosen_on: dict[str, int | None]
    checked_on: dict[str, int | None]
    choice: Choice
    threshold_before: float
    calibration: Interval
    calibration_before: Interval
    calibration_weight: float  # of these pairs; the rest is the slope from before
    before: CheckedRates
    after: CheckedRates
    points: tuple[Point, ...]
    missing: dict[str, int]  # impostor pairs that are missing for other operating points
    kept: tuple[OperatingPoint, ...]  # stricter ones from before, in place of those missing


def calibrate(
    output: Path,
    model: Model | None = None,
    data: tuple[str, ...] = (),
    pairs: Path | None = None,
    criterion: Criterion = MAX_F1,
    seed: int = 0,
) -> Calibrated:
    """Write a copy of a model file, `output`, calibrated on `data`, as `open_source` reads it, or on a list of pairs.

    `criterion` is MAX_F1, EER, or the FMR to allow. A file that was calibrated before is calibrated afresh: what it had
    before that is what the new figures are held to and compared with.

    Raises FaceSimError if people or pairs are too few, or the file cannot be written; nothing is then written.
    """
    if output.suffix != ".onnx":
        raise FaceSimError(f"{output} is no name for a model file: let it end in .onnx.")
    check_writable(output)
    model = model or Model()
    info = uncalibrated(model.info)
    protocol = _pairs_of_csv(pairs, data) if pairs is not None else _pairs_of_people(info, open_source(data))
    check_apart([output], protocol.files(model.path, pairs))
    scores = score(protocol, model)
    every = MeasuredPairs(scores.distances, protocol.pairs.same, protocol.identities_of_pairs())
    if every.lacking():
        raise FaceSimError(f"{protocol.name}: {every.lacking()}, counting pairs with two faces: add photos.")
    division = divide(every, seed)
    result = _choose(division, info, criterion, protocol.name, output)
    names = np.unique(protocol.source.dataset.identities)
    chose = [] if division.choosing.people is None else names[np.unique(division.choosing.people)].tolist()
    record = {
        "data": protocol.source.dataset.name,
        "fingerprint": protocol.source.fingerprint(),
        "criterion": result.criterion,
        "checked_on": "the other half" if division.halves else "folds",
        **result.chosen_on,
        "identities": chose,
        "before": stated_before(info),
    }
    checked = division.checking
    counts = count_distances(checked.distances, checked.same, protocol.source.dataset.name)
    write_calibrated(model, _calibrated(model.info, result, record, counts), output)
    return result


def _pairs_of_csv(path: Path, data: tuple[str, ...]) -> Protocol:
    if data:
        raise FaceSimError(f"{path} already says which pairs to use: leave out the data set.")
    return read_pairs(path)


def _pairs_of_people(info: ModelInfo, source: Source) -> Protocol:
    """Return all pairs of up to ten photos of each person whom the model has not seen; drawn, where they are too many.

    Raises FaceSimError where it has seen all but one.
    """
    dataset = source.dataset
    seen = people_seen(info, dataset)
    photos = np.flatnonzero(source.selected & ~np.isin(dataset.identities, list(seen)))
    photos = photos[draw_subset(dataset.identities[photos], None, PHOTOS, seed=0)]
    identities = dataset.identities[photos]
    if len(np.unique(identities)) < 2:
        raise FaceSimError(f"{dataset.name} holds nobody whom the model has not seen: calibrate it on other people.")
    many = len(photos) * (len(photos) - 1) // 2 > MAX_PAIRS
    pairs = sample_pairs(identities, GENUINE, IMPOSTOR, seed=0) if many else all_pairs(identities)
    left_out = f" ({len(seen):,} more are left out: the model has seen them)" if seen else ""
    name = f"{dataset.name}, {len(np.unique(identities)):,} people{left_out}, {PHOTOS} photos of each at most"
    return Protocol(name, source, pairs.among(photos))


def _choose(division: Division, info: ModelInfo, criterion: Criterion, name: str, output: Path) -> Calibrated:
    choosing, checking = division.choosing, division.checking

    def choose(pairs: MeasuredPairs, criterion: Criterion) -> float:
        return choose_threshold(pairs, criterion, info.threshold).threshold

    def point(name: str, threshold: float, choose_here: Callable[[MeasuredPairs], float]) -> Point:
        return Point(name, threshold, check(checking, division.thresholds(choose_here)))

    best_f1 = choose_threshold(choosing, MAX_F1, info.threshold)
    choice = best_f1 if criterion == MAX_F1 else choose_threshold(choosing, criterion, info.threshold)
    calibration, weight = choose_calibration(choosing, best_f1.threshold, info.calibration)
    points = [point(BEST_F1, best_f1.threshold, lambda pairs: choose(pairs, MAX_F1))]
    if criterion == EER:
        points.append(point(EER, choice.threshold, lambda pairs: choose(pairs, EER)))
    fmrs, missing = {*OPERATING_FMRS, *([criterion] if isinstance(criterion, float) else [])}, {}
    impostor = choosing.counts()["impostor"] or 0
    for fmr in sorted(fmrs, reverse=True):
        lacking = pairs_needed(fmr) - impostor
        if lacking <= 0:
            strict = partial(threshold_for_fmr, fmr=fmr)
            points.append(point(fmr_name(fmr), strict(choosing), strict))
        elif fmr == criterion:
            raise FaceSimError(
                f"{name}: an FMR of {100 * fmr:g} % takes {pairs_needed(fmr):,} impostor pairs to choose on, and there "
                f"are {impostor:,}: add people, or allow a higher FMR."
            )
        else:
            missing[fmr_name(fmr)] = lacking
    chosen = BEST_F1 if criterion == MAX_F1 else criterion if isinstance(criterion, str) else fmr_name(criterion)
    return Calibrated(
        protocol=name,
        criterion=chosen,
        model=str(output),
        by_identity=choosing.people is not None,
        halves=division.halves,
        chosen_on=choosing.counts(),
        checked_on=checking.counts(),
        choice=choice,
        threshold_before=info.threshold,
        calibration=calibration,
        calibration_before=info.calibration,
        calibration_weight=weight,
        before=check(checking, np.full(len(checking.same), info.threshold)),
        after=next(one.rates for one in points if one.name == chosen),
        points=tuple(points),
        missing=missing,
        kept=stricter_points(info, [chosen.threshold for chosen in points], missing),
    )


def _calibrated(info: ModelInfo, result: Calibrated, record: dict[str, Any], counts: DistanceCounts) -> ModelInfo:
    points = (
        OperatingPoint(point.name, point.threshold, rates.fmr, rates.fnmr, rates.genuine, rates.impostor)
        for point in result.points
        for rates in (point.rates,)
    )
    return dataclasses.replace(
        info,
        threshold=result.choice.threshold,
        calibration=result.calibration,
        operating_points=(*points, *result.kept),
        trained_on=info.trained_on | {"calibrated_on": record},
        distances=counts,
    )
