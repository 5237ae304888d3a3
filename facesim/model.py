"""The model file: one ONNX graph, and as its metadata everything that a verdict needs."""

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from facesim.errors import FaceSimError
from facesim.face import CROP_MARGIN, CROP_SIZE

FORMAT_VERSION = 1
METADATA_PREFIX = "facesim."  # each field of ModelInfo is one metadata entry, as JSON
LARGEST_FILE = 2**30  # bytes


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold and the error rates measured there, on `genuine` and `impostor` pairs of unseen people.

    A pair in which no face is found is a non-match.
    """

    name: str
    threshold: float
    fmr: float
    fnmr: float
    genuine: int
    impostor: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model file says of itself besides its network."""

    format: int
    threshold: float  # same iff distance < threshold
    distance: str  # "euclidean": between unit embeddings, 0 to 2
    crop_size: int  # pixels
    crop_margin: float  # of the face's box, on each side
    calibration: tuple[float, float]  # P(same) = 1 / (1 + exp(−(intercept + slope · distance))), half being genuine
    operating_points: tuple[OperatingPoint, ...]
    trained_on: dict[str, Any]  # data set, its fingerprint, the split and who was held out, settings, test results

    def probability(self, distance: float) -> float:
        """Return the probability that two faces at `distance` are one person's, were half of all pairs genuine."""
        intercept, slope = self.calibration
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, intercept + slope * distance))))


def info_to_metadata(info: ModelInfo) -> dict[str, str]:
    """Return the ONNX metadata entries that `Model` reads back."""
    return {METADATA_PREFIX + key: json.dumps(value) for key, value in dataclasses.asdict(info).items()}


def info_from_metadata(metadata: dict[str, str], path: Path) -> ModelInfo:
    """Read and check a model's metadata; raises FaceSimError, naming what is missing or makes no sense."""
    names = [field.name for field in dataclasses.fields(ModelInfo)]
    missing = [name for name in names if METADATA_PREFIX + name not in metadata]
    if len(missing) == len(names):
        raise FaceSimError(f"{path} is an ONNX file, but not one of facesim's: make one with facesim train.")
    if missing:
        raise FaceSimError(f"{path} lacks its {', '.join(missing)}: make it again with facesim train.")
    values = {}
    for name in names:
        try:
            values[name] = _CHECKS[name](json.loads(metadata[METADATA_PREFIX + name]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise FaceSimError(f"{path} has a {name} that makes no sense: get a whole copy of the model.") from error
    return ModelInfo(**values)


def _exactly(expected):
    def check(value):
        if value != expected:
            raise ValueError(f"{value} is not {expected}")
        return value

    return check


def _finite(value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    return float(value)


def _calibration(value) -> tuple[float, float]:
    intercept, slope = value
    return _finite(intercept), _finite(slope)


_CHECKS = {
    "format": _exactly(FORMAT_VERSION),
    "threshold": _finite,
    "distance": _exactly("euclidean"),
    "crop_size": _exactly(CROP_SIZE),
    "crop_margin": _exactly(CROP_MARGIN),
    "calibration": _calibration,
    "operating_points": lambda points: tuple(OperatingPoint(**point) for point in points),
    "trained_on": dict,
}


def default_model() -> Path:
    """Return the model that ships: inside an installed facesim, or in `models/` of a checkout."""
    package = Path(__file__).parent
    installed = package / "models" / "facesim.onnx"
    return installed if installed.is_file() else package.parent / "models" / "facesim.onnx"


class Model:
    """A model file, opened: `info`, `path`, and `embed`."""

    def __init__(self, path: str | Path | None = None, gpu: int = -1, bulk: bool = False):
        """Open and check the model at `path`, or the one that ships, on the CPU or on GPU number `gpu`.

        With `bulk` it is made ready for thousands of crops: it takes longer to open, and more memory, and then embeds
        in all of the machine's cores.

        Raises FaceSimError when it is not a whole facesim model, or when there is no such GPU.
        """
        self.path = Path(path) if path is not None else default_model()
        if not self.path.is_file():
            raise FaceSimError(f"{self.path} is not a file: give a model made by facesim train.")
        if not 0 < self.path.stat().st_size <= LARGEST_FILE:
            raise FaceSimError(f"{self.path} is empty or over {LARGEST_FILE >> 30} GB: that is not a facesim model.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # a damaged file is reported once, by us
        options.intra_op_num_threads = 1  # starting threads takes longer than two crops do
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if bulk else level.ORT_ENABLE_BASIC
        providers = _providers(gpu)
        try:
            self._session = onnxruntime.InferenceSession(str(self.path), options, providers=providers)
        except Exception as error:  # onnxruntime raises a class of its own for every kind of damage
            raise FaceSimError(f"{self.path} is not an ONNX model, or damaged: get a whole copy.") from error
        self.info = info_from_metadata(self._session.get_modelmeta().custom_metadata_map, self.path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if [(*i.shape[1:], i.type) for i in inputs] != [(CROP_SIZE, CROP_SIZE, 3, "tensor(uint8)")]:
            raise FaceSimError(f"{self.path} does not read {CROP_SIZE}×{CROP_SIZE} crops: make it again.")
        if len(outputs[0].shape) != 2 or not isinstance(outputs[0].shape[1], int):
            raise FaceSimError(f"{self.path} does not write embeddings of one known length: make it again.")
        self._bulk = bulk
        self._input, self._output = inputs[0].name, outputs[0].name
        self.embedding_size = outputs[0].shape[1]

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map crops `(n, 160, 160, 3) uint8` to unit embeddings `(n, d) float32`.

        Each crop passes alone, which is as fast, so that an embedding never depends on its company.
        """
        embeddings = np.empty((len(crops), self.embedding_size), np.float32)

        def embed_one(i: int) -> None:
            embeddings[i] = self._session.run([self._output], {self._input: crops[i][None]})[0][0]

        if self._bulk:
            from concurrent.futures import ThreadPoolExecutor  # not worth its import for a pair

            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(embed_one, range(len(crops))))
        else:
            for i in range(len(crops)):
                embed_one(i)
        return embeddings


def _providers(gpu: int) -> list:
    if gpu < 0:
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise FaceSimError(f"GPU {gpu} was asked for, but this onnxruntime knows none: pip install onnxruntime-gpu.")
    return [("CUDAExecutionProvider", {"device_id": gpu}), "CPUExecutionProvider"]
