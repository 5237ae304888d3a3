"""The model file that a calibration writes: a copy with other metadata, which holds what it replaces."""

import dataclasses
import shutil
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from facesim.files import write_whole
from facesim.model import Model
from facesim.model_info import ModelInfo, OperatingPoint, check_points, info_to_metadata, points_as_list
from facesim.onnx_file import write_metadata


def stated_before(info: ModelInfo) -> dict[str, Any]:
    """Return for JSON what a calibration replaces."""
    return {
        "threshold": info.threshold,
        "calibration": list(info.calibration),
        "operating_points": points_as_list(info.operating_points),
    }


def stricter_points(info: ModelInfo, chosen: Sequence[float], names: Container[str]) -> tuple[OperatingPoint, ...]:
    """Return the operating points called `names` from before that are stricter than all thresholds `chosen`."""
    return tuple(
        dataclasses.replace(point, data=info.measured_on(point))
        for point in info.operating_points
        if point.name in names and point.threshold < min(chosen)
    )


def uncalibrated(info: ModelInfo) -> ModelInfo:
    """Return what a model file stated before it was calibrated."""
    before = info.trained_on.get("calibrated_on", {}).get("before")
    if not before:
        return info
    trained_on = {name: value for name, value in info.trained_on.items() if name != "calibrated_on"}
    threshold, (intercept, slope) = before["threshold"], before["calibration"]
    points = check_points(before.get("operating_points", []))
    return dataclasses.replace(
        info, threshold=threshold, calibration=(intercept, slope), operating_points=points, trained_on=trained_on
    )


def write_calibrated(model: Model, info: ModelInfo, output: Path) -> None:
    """Copy the model's file with other metadata, and check that it opens."""
    with write_whole(output) as scratch:
        shutil.copyfile(model.path, scratch)
        write_metadata(scratch, info_to_metadata(info))
        Model(scratch, quick=True)
