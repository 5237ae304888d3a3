"""What comes out of a run that goes on from a model file: the trained network, or its start where that is no worse.

The people who choose the threshold decide, strangers of the reference bound it, and the test people only report.
"""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs
from facesim.data.source import Source
from facesim.data.split import Split
from facesim.evaluation.calibrate.model_file import stated_before, stricter_points, write_calibrated
from facesim.evaluation.formatting import as_dict
from facesim.evaluation.gain import Gain, gain
from facesim.evaluation.model_rates import BEST_F1, Distances, measured_pairs, rate_model, rate_test
from facesim.evaluation.protocol import people_seen
from facesim.evaluation.scoring import embed_crops
from facesim.files import write_whole
from facesim.model import Model
from facesim.model_info import ModelInfo
from facesim.training.embedding import degraded_distances, embed_photos, pair_distances
from facesim.training.export import export
from facesim.training.network import SiameseNet
from facesim.training.reference import Reference, ReferenceRates, highest_threshold, rate_reference

TRAINED, START = "trained", "start"  # what the output is
FEW, NO_BETTER, STRANGERS, BETTER = "too few people", "no better", "worse on strangers", "better"  # what was found


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What networks are measured on."""

    source: Source
    data: dict[str, Any]  # what a model file says of it
    crops: CachedCrops
    split: Split
    reference: Reference | None

    @property
    def photos(self) -> np.ndarray:
        return self.split.held_out_photos(self.source.dataset, self.source.selected)

    def pairs(self) -> dict[str, Pairs]:
        return {"validation": self.split.validation, "test": self.split.test}


@dataclass(frozen=True, slots=True)
class Start:
    """The model that a run goes on from."""

    model: Model
    net: SiameseNet  # as read from its file


@dataclass(frozen=True, slots=True)
class Rated:
    """A network, and what a model file of it would state."""

    net: SiameseNet
    info: ModelInfo
    results: dict[str, Any]  # on the test people
    distances: Distances  # of pairs of people held out


def rate_network(
    net: SiameseNet,
    embeddings: np.ndarray,
    on: HeldOut,
    about: dict[str, Any],
    start: ModelInfo | None,
    most: float = np.inf,
) -> Rated:
    """Measure a network on the people held out, of whose photos it has made `embeddings`, `(n, d)`.

    Its threshold is held to that of a `start`, and `most` at most.
    """
    dataset, selected, photos = on.source.dataset, on.source.selected, on.photos
    degraded = degraded_distances(net, on.crops, on.split.validation, photos, embeddings)

    def distances(pairs: Pairs) -> np.ndarray:
        return pairs.distances(photos, embeddings)

    info, results = rate_model(distances, dataset, selected, on.split, about, degraded, start, most)
    return Rated(net, info, results, distances)


def write_better(
    start: Start, net: SiameseNet, on: HeldOut, about: dict[str, Any], output: Path, other: Path, keep: bool
) -> tuple[Rated, dict[str, Any]]:
    """Write a trained network to `output` if it is better than its start; else the start, and the trained to `other`.

    With `keep`, the trained one is the output whatever is found. `about` is what its file says of its training.
    Strangers of the reference bound the thresholds. What the start's file has made of a face before is not made again.
    Returns what was measured of the trained network, and the results of the output, with those of both beside them.
    """
    info, rates, most = start.model.info, [], [np.inf, np.inf]
    strangers = on.reference
    if strangers:
        photos = strangers.pairs.photos()
        known = embed_crops(start.model, strangers.crops, photos)
        measured = [strangers.pairs.distances(photos, known), pair_distances(net, strangers.crops, strangers.pairs)]
        rates.append(rate_reference(strangers, measured[0], info.threshold))
        most = [highest_threshold(strangers, distances, rates[0]) for distances in measured]
    known = embed_crops(start.model, on.crops, on.photos)
    begun = rate_network(start.net, known, on, on.data, info, most[0])
    trained = rate_network(net, embed_photos(net, on.crops, on.photos), on, about, info, most[1])
    if strangers:
        rates.append(rate_reference(strangers, measured[1], trained.info.threshold))
    gains = {part: _gain(begun, trained, on.source, pairs) for part, pairs in on.pairs().items()}
    finding = _finding(gains["validation"], rates)
    keep = keep or finding == BETTER
    export(trained.net, trained.info, output if keep else other)
    if not keep:
        _write_start(start, begun.info, on.data["fingerprint"], output)
    dataset, test = on.source.dataset, on.split.test
    seen = people_seen(info, dataset) & on.split.identities(dataset)["test"]
    results = (trained if keep else begun).results | {
        "output": TRAINED if keep else START,
        "finding": finding,
        "gain": as_dict(gains),
        "start": rate_test(begun.distances(test), test.same, info.threshold) | {"test_people_seen": len(seen)},
        "trained": trained.results,
    }
    if begun.info.operating_points:
        results["recalibrated"] = begun.results
    if strangers:
        results["strangers"] = {"data": strangers.name, START: as_dict(rates[0]), TRAINED: as_dict(rates[1])}
    return trained, results


def _gain(begun: Rated, trained: Rated, source: Source, held: Pairs) -> Gain:
    before, after = (measured_pairs(one.distances, source.dataset, source.selected, held) for one in (begun, trained))
    return gain(before, after, (begun.info.threshold, trained.info.threshold))


def _finding(validation: Gain, rates: list[ReferenceRates]) -> str:
    if validation.lacking:
        return FEW
    if not validation.is_sure:
        return NO_BETTER
    if rates and rates[1].worse_than(rates[0]):
        return STRANGERS
    return BETTER


def _write_start(start: Start, rated: ModelInfo, fingerprint: str, output: Path) -> None:
    """Copy the start's file, with the threshold, calibration and operating points of `rated`.

    Without operating points, people were too few to choose them: the copy is then exact.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    if not rated.operating_points:
        with write_whole(output) as scratch:
            shutil.copyfile(start.model.path, scratch)
        return
    before = start.model.info
    trained_on = before.trained_on
    chose = rated.trained_on["validation_identities"]
    record = {
        "data": rated.trained_on["data"],
        "fingerprint": fingerprint,
        "criterion": BEST_F1,
        "checked_on": "others",
        "people": len(chose),
        "identities": sorted({*trained_on.get("calibrated_on", {}).get("identities", []), *chose}),
        "before": stated_before(before),
    }
    points = rated.operating_points
    missing = {point.name for point in before.operating_points} - {point.name for point in points}
    points += stricter_points(before, [point.threshold for point in points], missing)
    info = dataclasses.replace(rated, operating_points=points, trained_on=trained_on | {"calibrated_on": record})
    write_calibrated(start.model, info, output)
