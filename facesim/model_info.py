"""What a model file states about its network, stored as ONNX metadata and checked when it is read."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesim.detector.crop import CROP_MARGIN, CROP_SIZE
from facesim.errors import FaceSimError
from facesim.json_checks import a_list, an_object, count, exactly, list_of, number, text, texts
from facesim.text import printable

FORMAT_VERSION = 1
METADATA_PREFIX = "facesim."  # each field of ModelInfo is one metadata entry, as JSON
_MAX_DISTANCE = 2.00001  # that two unit embeddings can lie apart, with float32 rounding
MAX_POINTS = 1000
MIN_FALSE_MATCHES = 10  # that a threshold for a given FMR, or a claim of an FMR, must rest on
MAX_MEASURED = 1000  # of an operating point
MAX_COUNTS = 1000  # of distances
_MAX_DEPTH = 100  # of nested lists and objects: a model that started from another holds that one's `trained_on`, too


@dataclass(frozen=True, slots=True)
class Measured:
    """The error rates of an operating point on other data, or on a group in it; None where too few pairs could say."""

    data: str
    group: str  # "" for the whole of the data
    fmr: float | None
    fnmr: float | None
    genuine: int
    impostor: int


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the error rates measured there, on `genuine` and `impostor` pairs of unseen people.

    A pair in which no face is found is a non-match. `data` is where they were measured, if not on the data that the
    file's other points are from. `measured` is what `facesim evaluate --record` has added.
    """

    name: str
    threshold: float
    fmr: float
    fnmr: float
    genuine: int
    impostor: int
    data: str = ""
    measured: tuple[Measured, ...] = ()

    @property
    def worst(self) -> Measured | None:
        """Return the data, or the group, with the highest FMR recorded; None where none is."""
        return max((one for one in self.measured if one.fmr is not None), key=lambda one: one.fmr or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class DistanceCounts:
    """How many pairs of unseen people lie at which distance: entry i counts those from i · step up to (i + 1) · step.

    A pair in which no face is found counts in the last entry, as no threshold would match it.
    """

    data: str
    step: float
    genuine: tuple[int, ...]
    impostor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file states about its network."""

    format: int
    threshold: float  # same iff distance < threshold
    distance: str  # "euclidean": between unit embeddings, 0 to 2
    crop_size: int  # pixels
    crop_margin: float  # of the face's box, on each side
    calibration: tuple[float, float]  # P(same) = 1 / (1 + exp(−(intercept + slope · distance))), half being genuine
    operating_points: tuple[OperatingPoint, ...]
    trained_on: dict[str, Any]  # data set, its fingerprint, the split and who was held out, settings, test results
    distances: DistanceCounts | None = None  # of the pairs that the operating points were measured on

    def probability(self, distance: float) -> float:
        """Return the probability that two faces at `distance` are one person's, if half of all pairs are genuine."""
        return 1 / (1 + 1 / self.odds(distance))

    def odds(self, distance: float) -> float:
        """Return the odds that two faces at `distance` are one person's, if half of all pairs are genuine."""
        intercept, slope = self.calibration
        return math.exp(max(-700.0, min(700.0, intercept + slope * distance)))

    def point_at(self, threshold: float) -> OperatingPoint | None:
        """Return the operating point of a threshold, or the next less strict one; None where there is none."""
        less_strict = (point for point in self.operating_points if point.threshold >= threshold)
        return min(less_strict, key=lambda point: point.threshold, default=None)

    def measured_on(self, point: OperatingPoint) -> str:
        """Return the data on which an operating point's rates were measured; "" where the file does not say."""
        data = point.data or (self.trained_on.get("calibrated_on") or self.trained_on).get("data", "")
        return data if isinstance(data, str) else "+".join(data)

    def worst_at(self, threshold: float) -> dict[str, Any]:
        """Return for JSON the FMR stated at a threshold, and the highest recorded; empty where none is recorded."""
        point = self.point_at(threshold)
        if point is None or point.worst is None:
            return {}
        return {"operating_point": {"name": point.name, "fmr": point.fmr, "worst": dataclasses.asdict(point.worst)}}

    def worst_text(self, threshold: float) -> str:
        """Return `worst_at` in words: "FMR 0.07 % on lfw; up to 10 % on london (black)"; "" where none is higher."""
        point = self.point_at(threshold)
        worst = point and point.worst
        if not point or not worst or worst.fmr is None or worst.fmr <= point.fmr:
            return ""
        data = self.measured_on(point)
        own = f" on {data}" if data else ""
        group = f" ({worst.group})" if worst.group else ""
        return printable(f"FMR {100 * point.fmr:.3g} %{own}; up to {100 * worst.fmr:.3g} % on {worst.data}{group}")


def info_to_metadata(info: ModelInfo) -> dict[str, str]:
    """Return the ONNX metadata entries that `Model` reads back."""
    fields = dataclasses.asdict(info) | {"operating_points": points_as_list(info.operating_points)}
    return {METADATA_PREFIX + key: json.dumps(value) for key, value in fields.items() if value is not None}


def points_as_list(points: Iterable[OperatingPoint]) -> list[dict[str, Any]]:
    """Return operating points for JSON, as `check_points` reads them; without empty fields that earlier files lack."""
    optional = ("data", "measured")
    fields = map(dataclasses.asdict, points)
    return [{name: value for name, value in point.items() if value or name not in optional} for point in fields]


def info_from_metadata(metadata: dict[str, str], path: Path) -> ModelInfo:
    """Read and check a model's metadata; raises FaceSimError, naming what is missing or makes no sense."""
    names = [field.name for field in dataclasses.fields(ModelInfo) if METADATA_PREFIX + field.name in metadata]
    missing = [field.name for field in dataclasses.fields(ModelInfo) if field.name not in (*names, "distances")]
    if not names:
        raise FaceSimError(f"{path} is an ONNX file, but not one of facesim's: make one with facesim train or adopt.")
    if missing:
        raise FaceSimError(f"{path} lacks its {', '.join(missing)}: make it again with facesim train.")
    values = {}
    for name in names:
        try:
            values[name] = _CHECKS[name](json.loads(metadata[METADATA_PREFIX + name]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise FaceSimError(f"{path} has a {name} that makes no sense: get a whole copy of the model.") from error
    return ModelInfo(**values)


def _threshold(value: Any) -> float:
    return number(value, 0, _MAX_DISTANCE)


def _rate(value: Any) -> float:
    return number(value, 0, 1)


def _calibration(value: Any) -> tuple[float, float]:
    intercept, slope = value
    return number(intercept), number(slope, high=0)


def _rate_or_none(value: Any) -> float | None:
    return None if value is None else _rate(value)


_MEASURED_CHECKS = {
    "data": text,
    "group": text,
    "fmr": _rate_or_none,
    "fnmr": _rate_or_none,
    "genuine": count,
    "impostor": count,
}
_POINT_CHECKS = {
    "name": text,
    "threshold": _threshold,
    "fmr": _rate,
    "fnmr": _rate,
    "genuine": count,
    "impostor": count,
    "data": text,
    "measured": list_of(Measured, _MEASURED_CHECKS, MAX_MEASURED),
}
check_points = list_of(OperatingPoint, _POINT_CHECKS, MAX_POINTS)


def _trained_on(value: Any) -> dict[str, Any]:
    """Check the parts that facesim reads: the data, people and settings of a model, and of the one it started from."""
    level: list[Any] = [an_object(value)]
    for _ in range(_MAX_DEPTH):
        inner = (item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer))
        level = [item for item in inner if isinstance(item, (dict, list))]
    if level:
        raise ValueError("that is nested too deep")
    about = value
    while about:
        for people in ("train_identities", "validation_identities", "test_identities"):
            texts(about.get(people, []))
        settings = an_object(about.get("settings", {}))
        text(settings.get("backbone", ""))
        for data in (about.get("data", ""), settings.get("data", "")):
            texts(data if isinstance(data, list) else [data])
        _calibrated_on(an_object(about.get("calibrated_on", {})))
        about = an_object(about.get("begun_from", {}))
    return value


def _calibrated_on(about: dict[str, Any]) -> None:
    """Check what facesim reads of a calibration: its data, who chose, and what it replaced."""
    text(about.get("data", ""))
    texts(about.get("identities", []))
    if about:
        before = an_object(about["before"])
        _threshold(before["threshold"]), _calibration(before["calibration"])
        check_points(before.get("operating_points", []))


def _distances(value: Any) -> DistanceCounts:
    step = number(value["step"], 1 / MAX_COUNTS, 2)
    genuine, impostor = (tuple(map(count, a_list(value[name]))) for name in ("genuine", "impostor"))
    if not len(genuine) == len(impostor) == math.ceil(2 / step - 1e-9):
        raise ValueError(f"{len(genuine)} and {len(impostor)} counts do not reach from 0 to 2")
    return DistanceCounts(text(value["data"]), step, genuine, impostor)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "format": exactly(FORMAT_VERSION),
    "threshold": _threshold,
    "distance": exactly("euclidean"),
    "crop_size": exactly(CROP_SIZE),
    "crop_margin": exactly(CROP_MARGIN),
    "calibration": _calibration,
    "operating_points": check_points,
    "trained_on": _trained_on,
    "distances": _distances,
}
