"""The model file: one ONNX graph, and as its metadata everything that a verdict needs."""

import contextlib
import dataclasses
import functools
import json
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from facesim.cores import cores
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE
from facesim.errors import FaceSimError
from facesim.files import printable
from facesim.onnx_file import check_onnx_file, network_fingerprint, widened_network

FORMAT_VERSION = 1
METADATA_PREFIX = "facesim."  # each field of ModelInfo is one metadata entry, as JSON
_CROP_SHAPE = (CROP_SIZE, CROP_SIZE, 3)
_LONGEST_EMBEDDING = 10_000
LONGEST_RUN = 30  # seconds for a crop, which takes 0.005 to 0.1
_MOST_MEMORY = 2**29 + 2**24 * (os.cpu_count() or 1)  # bytes that pass between layers; a crop takes 6 MB
_FARTHEST = 2.00001  # that two embeddings of unit length can be, and how exact a length is in float32
_UNIT = 1e-3  # by which an embedding's length may differ from 1
MAX_POINTS = 1000
MAX_MEASURED = 1000  # of an operating point
_DEEPEST = 100  # lists and objects in each other; a model begun from another holds what that was trained on


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

    A pair in which no face is found is a non-match. `measured` is what `facesim evaluate --record` has added.
    """

    name: str
    threshold: float
    fmr: float
    fnmr: float
    genuine: int
    impostor: int
    measured: tuple[Measured, ...] = ()

    @property
    def worst(self) -> Measured | None:
        """Return the data, or the group, with the highest FMR recorded; None where none is."""
        return max((one for one in self.measured if one.fmr is not None), key=lambda one: one.fmr, default=None)


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
        return 1 / (1 + 1 / self.odds(distance))

    def odds(self, distance: float) -> float:
        """Return how many times as often two faces at `distance` are one person's, were half of all pairs genuine."""
        intercept, slope = self.calibration
        return math.exp(max(-700.0, min(700.0, intercept + slope * distance)))

    def point_at(self, threshold: float) -> OperatingPoint | None:
        """Return the operating point of a threshold, or the next less strict one; None where there is none."""
        less_strict = (point for point in self.operating_points if point.threshold >= threshold)
        return min(less_strict, key=lambda point: point.threshold, default=None)

    def worst_at(self, threshold: float) -> dict[str, Any]:
        """Return for JSON the FMR stated at a threshold, and the highest recorded; empty where none is recorded."""
        point = self.point_at(threshold)
        if point is None or point.worst is None:
            return {}
        return {"operating_point": {"name": point.name, "fmr": point.fmr, "worst": dataclasses.asdict(point.worst)}}

    def worst_text(self, threshold: float) -> str:
        """Say what `worst_at` returns: "FMR 0.07 % on lfw; up to 10 % on london (black)"; "" where none is higher."""
        point = self.point_at(threshold)
        if point is None or point.worst is None or point.worst.fmr <= point.fmr:
            return ""
        worst, data = point.worst, self.trained_on.get("data", "")
        own = f" on {data if isinstance(data, str) else '+'.join(data)}" if data else ""
        group = f" ({worst.group})" if worst.group else ""
        return printable(f"FMR {100 * point.fmr:.3g} %{own}; up to {100 * worst.fmr:.3g} % on {worst.data}{group}")


def info_to_metadata(info: ModelInfo) -> dict[str, str]:
    """Return the ONNX metadata entries that `Model` reads back."""
    fields = dataclasses.asdict(info)
    for point in fields["operating_points"]:
        if not point["measured"]:
            del point["measured"]  # so that an earlier facesim reads the file
    return {METADATA_PREFIX + key: json.dumps(value) for key, value in fields.items()}


def info_from_metadata(metadata: dict[str, str], path: Path) -> ModelInfo:
    """Read and check a model's metadata; raises FaceSimError, naming what is missing or makes no sense."""
    names = [field.name for field in dataclasses.fields(ModelInfo)]
    missing = [name for name in names if METADATA_PREFIX + name not in metadata]
    if len(missing) == len(names):
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


def _exactly(expected):
    def check(value):
        if value != expected:
            raise ValueError(f"{value} is not {expected}")
        return value

    return check


def _finite(value, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    if not low <= value <= high:
        raise ValueError(f"{value} is not within {low} to {high}")
    return float(value)


def _count(value) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value} is not a count")
    return value


def _kind(kind: type):
    def check(value):
        if not isinstance(value, kind):
            raise TypeError(f"{value} is not a {kind.__name__}")
        return value

    return check


_text, _list, _object = _kind(str), _kind(list), _kind(dict)


def _threshold(value) -> float:
    return _finite(value, 0, _FARTHEST)


def _rate(value) -> float:
    return _finite(value, 0, 1)


def _calibration(value) -> tuple[float, float]:
    intercept, slope = value
    return _finite(intercept), _finite(slope, high=0)


def _rate_or_none(value) -> float | None:
    return None if value is None else _rate(value)


def _list_of(kind: type, checks: dict[str, Any], most: int):
    def check(value) -> tuple:
        if len(_list(value)) > most:
            raise ValueError(f"{len(value)} entries are too many")
        return tuple(kind(**{name: checks[name](field) for name, field in _object(item).items()}) for item in value)

    return check


_MEASURED_CHECKS = {
    "data": _text,
    "group": _text,
    "fmr": _rate_or_none,
    "fnmr": _rate_or_none,
    "genuine": _count,
    "impostor": _count,
}
_POINT_CHECKS = {
    "name": _text,
    "threshold": _threshold,
    "fmr": _rate,
    "fnmr": _rate,
    "genuine": _count,
    "impostor": _count,
    "measured": _list_of(Measured, _MEASURED_CHECKS, MAX_MEASURED),
}


def _trained_on(value) -> dict[str, Any]:
    """Check what facesim reads of this: on whom and what a model was trained, and the one that it was begun from."""
    level = [_object(value)]
    for _ in range(_DEEPEST):
        inner = (item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer))
        level = [item for item in inner if isinstance(item, (dict, list))]
    if level:
        raise ValueError("that is nested too deep")
    about = value
    while about:
        for people in ("train_identities", "validation_identities", "test_identities"):
            _texts(about.get(people, []))
        settings = _object(about.get("settings", {}))
        _text(settings.get("backbone", ""))
        for data in (about.get("data", ""), settings.get("data", "")):
            _texts(data if isinstance(data, list) else [data])
        about = _object(about.get("begun_from", {}))
    return value


def _texts(value) -> None:
    if not all(isinstance(text, str) for text in _list(value)):
        raise TypeError("that is not a list of texts")


_CHECKS = {
    "format": _exactly(FORMAT_VERSION),
    "threshold": _threshold,
    "distance": _exactly("euclidean"),
    "crop_size": _exactly(CROP_SIZE),
    "crop_margin": _exactly(CROP_MARGIN),
    "calibration": _calibration,
    "operating_points": _list_of(OperatingPoint, _POINT_CHECKS, MAX_POINTS),
    "trained_on": _trained_on,
}


def default_model() -> Path:
    """Return the model that ships: inside an installed facesim, or in `models/` of a checkout."""
    package = Path(__file__).parent
    installed = package / "models" / "facesim.onnx"
    return installed if installed.is_file() else package.parent / "models" / "facesim.onnx"


class Model:
    """A model file, opened: `info`, `path`, and `embed`."""

    def __init__(self, path: str | Path | None = None, gpu: int = -1, quick: bool = False):
        """Open and check the model at `path`, or the one that ships, on the CPU or on GPU number `gpu`.

        A `quick` one is opened in a third of the time, for a pair or two: each crop takes longer, and they go one by
        one instead of through all cores.

        Raises FaceSimError when it is not a whole facesim model, or when there is no such GPU.
        """
        self.path = Path(path) if path is not None else default_model()
        check_onnx_file(self.path)
        _bound_memory()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.disable_prepacking", "1")  # it gains nothing, and may take for ever
        options.log_severity_level = 4  # a damaged file is reported once, by us
        options.intra_op_num_threads = 1  # starting threads takes longer than two crops do
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_BASIC if quick else level.ORT_ENABLE_ALL
        providers = _providers(gpu)
        try:
            self._session = onnxruntime.InferenceSession(
                str(self.path) if quick else widened_network(self.path),
                options,
                providers=providers,
                disabled_optimizers=["ConstantFolding"],  # work without end, and done already when the file was written
                enable_fallback=0,  # else it says on stdout that it tries again
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            inputs = [(i.name, (*i.shape[1:], i.type)) for i in self._session.get_inputs()]
            outputs = [(o.name, (*o.shape[1:], o.type)) for o in self._session.get_outputs()]
        except Exception as error:  # onnxruntime raises a class of its own for every kind of damage
            if gpu >= 0:
                raise FaceSimError(f"{self.path} cannot be loaded to GPU {gpu}: see if it can without.") from error
            raise FaceSimError(f"{self.path} is not an ONNX model, or damaged: get a whole copy.") from error
        self.info = info_from_metadata(metadata, self.path)
        if [kind for _, kind in inputs] != [(*_CROP_SHAPE, "tensor(uint8)")]:
            raise FaceSimError(f"{self.path} does not read {CROP_SIZE}×{CROP_SIZE} crops: make it again.")
        size, *others = outputs[0][1] if outputs else [None]
        if others != ["tensor(float)"] or not isinstance(size, int) or not 0 < size <= _LONGEST_EMBEDDING:
            raise FaceSimError(f"{self.path} does not write embeddings of one known length: make it again.")
        self._quick = quick
        self._input, self._output, self.embedding_size = inputs[0][0], outputs[0][0], size

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return what tells this network from others: models with the same one give the same embeddings."""
        return network_fingerprint(self.path)

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map crops `(n, 160, 160, 3) uint8` to unit embeddings `(n, d) float32`.

        Each crop passes alone, which is as fast, so that an embedding never depends on its company.

        Raises FaceSimError, naming the file, where the network fails, never ends, or gives no unit embeddings.
        """
        if crops.shape[1:] != _CROP_SHAPE or crops.dtype != np.uint8:
            raise FaceSimError(
                f"crops of shape {crops.shape} and type {crops.dtype} cannot be embedded: give (n, 160, 160, 3), uint8."
            )
        embeddings = np.empty((len(crops), self.embedding_size), np.float32)
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        watchdog = threading.Timer(LONGEST_RUN * len(crops), setattr, (options, "terminate", True))
        watchdog.daemon = True

        def embed_one(i: int) -> None:
            (embedding,) = self._session.run([self._output], {self._input: crops[i][None]}, options)
            embeddings[i] = embedding.reshape(self.embedding_size)

        watchdog.start()
        try:
            if len(crops) > 1 and not self._quick:
                from concurrent.futures import ThreadPoolExecutor  # not worth its import for a pair

                with ThreadPoolExecutor(cores()) as pool:
                    list(pool.map(embed_one, range(len(crops))))
            else:
                for i in range(len(crops)):
                    embed_one(i)
        except Exception as error:  # as above; and an output of another shape than the file says
            problem = f"takes over {LONGEST_RUN} s for a crop" if options.terminate else "fails as it runs"
            raise FaceSimError(f"{self.path} holds a network that {problem}: get a whole copy.") from error
        finally:
            watchdog.cancel()
        if not (np.abs(np.linalg.norm(embeddings, axis=1) - 1) <= _UNIT).all():
            raise FaceSimError(f"{self.path} holds a network whose embeddings have no unit length: get a whole copy.")
        return embeddings


@functools.cache
def _bound_memory() -> None:
    """Have all networks of this process take their memory from one arena, which refuses to grow without bound."""
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": _MOST_MEMORY})
    with contextlib.suppress(Exception):  # the program that we are part of has already made one
        onnxruntime.create_and_register_allocator(where, arena)


def _providers(gpu: int) -> list:
    if gpu < 0:
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise FaceSimError(f"GPU {gpu} was asked for, but this onnxruntime knows none: pip install onnxruntime-gpu.")
    return [("CUDAExecutionProvider", {"device_id": gpu}), "CPUExecutionProvider"]
