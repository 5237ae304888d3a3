"""Record measured error rates in the model file itself, beside its operating points."""

import dataclasses

from facesim.errors import FaceSimError
from facesim.evaluation.groups import MIN_PAIRS, GroupReport
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.scoring import Scores
from facesim.model import Model
from facesim.model_info import MAX_MEASURED, Measured, ModelInfo, info_to_metadata
from facesim.onnx_file import write_metadata


def write_measured(scores: Scores, model: Model, groups: GroupReport | None = None) -> ModelInfo:
    """Write the rates of all pairs, and of `groups`, into the model's file, and return its new metadata.

    They replace what was recorded for a data set of the same name; the network stays as it is.

    Raises FaceSimError where the file cannot be written, has no operating points, or holds too much already; it is then
    left as it was.
    """
    if not model.info.operating_points:
        raise FaceSimError(f"{model.path} has no operating points to measure: make it again with facesim train.")
    data = scores.protocol.source.dataset.name
    sorted_distances = SortedDistances.of(scores.distances, scores.protocol.pairs.same)
    points = []
    for i, point in enumerate(model.info.operating_points):
        whole = sorted_distances.rates(point.threshold)
        fmr = whole.fmr if whole.impostor >= MIN_PAIRS else None
        fnmr = whole.fnmr if whole.genuine >= MIN_PAIRS else None
        new = [Measured(data, "", fmr, fnmr, whole.genuine, whole.impostor)]
        for group in groups.points[i].groups if groups else ():
            pairs = group.fnmr.pairs, group.fmr.pairs
            new.append(Measured(data, group.group, group.fmr.rate, group.fnmr.rate, *pairs))
        kept = [one for one in point.measured if one.data != data]
        if len(kept) + len(new) > MAX_MEASURED:
            raise FaceSimError(f"{model.path} would hold over {MAX_MEASURED:,} measures: ask for fewer groups.")
        points.append(dataclasses.replace(point, measured=(*kept, *new)))
    info = dataclasses.replace(model.info, operating_points=tuple(points))
    write_metadata(model.path, info_to_metadata(info))
    return info
