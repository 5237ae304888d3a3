"""The thresholds that a model file stores, by name: which one is asked for, and which one is in use."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from facesim.errors import FaceSimError
from facesim.text import printable

if TYPE_CHECKING:
    from facesim.model_info import ModelInfo, OperatingPoint


def check_threshold(threshold: float) -> float:
    """Return a threshold as a number; raises FaceSimError where it is none, or outside the range of distances."""
    try:
        number = float(threshold)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 2:
        raise FaceSimError(f"the threshold {threshold} is not a number from 0 to 2, between which distances lie.")
    return number


def fmr_name(fmr: float) -> str:
    """Return the name of the operating point for an FMR."""
    return f"FMR {100 * fmr:g} %"


def point_for_fmr(info: "ModelInfo", fmr: float) -> "OperatingPoint":
    """Return the operating point stored for an FMR; raises FaceSimError, naming those there are, if there is none."""
    for point in info.operating_points:
        if point.name == fmr_name(fmr):
            return point
    names = ", ".join(printable(point.name) for point in info.operating_points) or "none at all"
    raise FaceSimError(f"the model file has no operating point {fmr_name(fmr)}: it has {names}.")


def point_as_dict(point: "OperatingPoint | None") -> dict[str, Any] | None:
    """Return an operating point for JSON, with the highest FMR recorded on other data, `worst`, if there is one."""
    if point is None:
        return None
    worst = {"worst": dataclasses.asdict(point.worst)} if point.worst else {}
    return {"name": point.name, "threshold": point.threshold, "fmr": point.fmr} | worst


def point_text(info: "ModelInfo", threshold: float) -> str:
    """Return which operating point a threshold is, and its FMR; between points, what the next less strict one says."""
    point = info.point_at(threshold)
    if point is None:
        return "its FMR was not measured"
    data = info.measured_on(point)
    on = f" on {data}" if data else ""
    if point.threshold == threshold:
        return printable(f"{point.name}: FMR measured as {100 * point.fmr:.2g} %{on}")
    return printable(f"stricter than {point.name}, whose FMR was measured as {100 * point.fmr:.2g} %{on}")
