"""The model file: one ONNX graph, whose metadata hold everything else that a verdict needs."""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime

from facesim.cores import cores
from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError
from facesim.gpu import MAX_BATCH, MAX_QUICK_BATCH, Batches, check_on_gpu, checked_gpu, providers
from facesim.model_info import info_from_metadata
from facesim.onnx_file import check_onnx_file, network_fingerprint, widened_network
from facesim.photo_file import file_state
from facesim.time_limit import limited

_CROP_SHAPE = (CROP_SIZE, CROP_SIZE, 3)
_MAX_EMBEDDING = 10_000
MAX_RUN = 30  # seconds for a crop, which takes 0.005 to 0.1
_MAX_MEMORY = 2**29 + 2**24 * (os.cpu_count() or 1)  # bytes that pass between layers; a crop takes 6 MB
_UNIT = 1e-3  # by which an embedding's length may differ from 1


def default_model() -> Path:
    """Return the model that ships: inside an installed facesim, or in `models/` of a checkout."""
    package = Path(__file__).parent
    installed = package / "models" / "facesim.onnx"
    return installed if installed.is_file() else package.parent / "models" / "facesim.onnx"


class Model:
    """An opened model file: `info`, `path`, and `embed`.

    Threads may share one, and on the CPU so may forked processes. A copy is the model itself; pickling keeps its path,
    which is opened again on unpickling.
    """

    def __init__(self, path: str | Path | None = None, gpu: int | None = -1, quick: bool = False):
        """Open and check the model at `path`, or the one that ships, on the CPU or on GPU number `gpu`.

        A `quick` one opens in a third of the time, which pays for a pair or two: each crop then takes longer, and crops
        run one after another instead of on all cores.

        Raises FaceSimError when it is not a whole facesim model, or when there is no such GPU or it does not work.
        """
        self.path = Path(path) if path is not None else default_model()
        check_onnx_file(self.path)
        self._opened = os.path.abspath(self.path), gpu, quick
        self._state = file_state(os.stat(self.path))
        self._gpu = checked_gpu(gpu)
        _bound_memory()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("session.disable_prepacking", "1")  # it gains nothing, and can take forever
        options.log_severity_level = 4  # a damaged file is reported once, by us
        options.intra_op_num_threads = 1  # starting threads takes longer than two crops do
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_BASIC if quick else level.ORT_ENABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                _path_or_content(self.path) if quick else widened_network(self.path),
                options,
                providers=providers(self._gpu),
                disabled_optimizers=["ConstantFolding"],  # it can take forever, and was done when the file was written
                enable_fallback=0,  # it would announce a second try on stdout
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            inputs = [(i.name, (*i.shape[1:], i.type)) for i in self._session.get_inputs()]
            outputs = [(o.name, (*o.shape[1:], o.type)) for o in self._session.get_outputs()]
        except Exception as error:  # onnxruntime raises a class of its own for every kind of damage
            if self._gpu >= 0:
                raise FaceSimError(f"{self.path} cannot be loaded to GPU {gpu}: see if it can without.") from error
            raise FaceSimError(f"{self.path} is not an ONNX model, or damaged: get a whole copy.") from error
        if self._gpu >= 0:
            check_on_gpu(self._session, self._gpu)
        self.info = info_from_metadata(metadata, self.path)
        if [kind for _, kind in inputs] != [(*_CROP_SHAPE, "tensor(uint8)")]:
            raise FaceSimError(f"{self.path} does not read {CROP_SIZE}×{CROP_SIZE} crops: make it again.")
        size, *others = outputs[0][1] if outputs else (None,)
        if others != ["tensor(float)"] or not isinstance(size, int) or not 0 < size <= _MAX_EMBEDDING:
            raise FaceSimError(f"{self.path} does not write embeddings of one known length: make it again.")
        self._quick = quick
        self._batches = Batches(MAX_QUICK_BATCH if quick else MAX_BATCH) if self._gpu >= 0 else None
        self._input, self._output, self.embedding_size = inputs[0][0], outputs[0][0], size

    def __copy__(self) -> "Model":
        return self

    def __deepcopy__(self, memo: dict) -> "Model":
        return self

    def __reduce__(self) -> tuple:
        try:
            unchanged = self._state == file_state(os.stat(self._opened[0]))
        except OSError:
            unchanged = False
        if not unchanged:
            raise FaceSimError(f"{self.path} has changed since it was opened: open it again for other processes.")
        return _reopened, (*self._opened, self.fingerprint)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return a hash of the network: models with the same one give the same embeddings."""
        return network_fingerprint(Path(self._opened[0]))

    @property
    def threads(self) -> int:
        """Return how many threads that find faces and embed them keep this machine busy.

        On a GPU, half of them wait for it, and fill its next batch.
        """
        return cores() if self._gpu < 0 else 2 * cores()

    def embed(self, crops: np.ndarray) -> np.ndarray:
        """Map crops `(n, 160, 160, 3) uint8` to unit embeddings `(n, d) float32`.

        On the CPU each crop is run alone, which is as fast as in batches, so that no embedding depends on the other
        crops. On a GPU they run in batches, also with those of other threads.

        Raises FaceSimError, naming the file, where the network fails, never ends, or gives no unit embeddings.
        """
        if crops.shape[1:] != _CROP_SHAPE or crops.dtype != np.uint8:
            raise FaceSimError(
                f"crops of shape {crops.shape} and type {crops.dtype} cannot be embedded: give (n, 160, 160, 3), uint8."
            )
        if not len(crops):
            return np.empty((0, self.embedding_size), np.float32)
        try:
            embeddings = self._batches.embed(crops, self._embed_batch) if self._batches else self._embed_each(crops)
        except FaceSimError:
            raise
        except Exception as error:  # as above, or an output whose shape is not the declared one
            if self._batches:
                raise FaceSimError(
                    f"{self.path} fails on GPU {self._gpu}: free some of its memory, or leave the GPU out."
                ) from error
            raise FaceSimError(f"{self.path} holds a network that fails as it runs: get a whole copy.") from error
        if not (np.abs(np.linalg.norm(embeddings, axis=1) - 1) <= _UNIT).all():
            raise FaceSimError(f"{self.path} holds a network whose embeddings have no unit length: get a whole copy.")
        return embeddings

    def _embed_each(self, crops: np.ndarray) -> np.ndarray:
        """Embed each crop alone, on all cores."""
        embeddings = np.empty((len(crops), self.embedding_size), np.float32)
        with self._limited(MAX_RUN * len(crops)) as options:

            def embed_one(i: int) -> None:
                embeddings[i] = self._run(crops[i : i + 1], options)[0]

            if len(crops) > 1 and not self._quick:
                from concurrent.futures import ThreadPoolExecutor  # importing it takes longer than a pair

                with ThreadPoolExecutor(cores()) as pool:
                    list(pool.map(embed_one, range(len(crops))))
            else:
                for i in range(len(crops)):
                    embed_one(i)
        return embeddings

    def _embed_batch(self, crops: np.ndarray) -> np.ndarray:
        with self._limited(MAX_RUN) as options:
            return self._run(crops, options)

    def _run(self, crops: np.ndarray, options: onnxruntime.RunOptions) -> np.ndarray:
        (embeddings,) = self._session.run([self._output], {self._input: crops}, options)
        return embeddings.reshape(len(crops), self.embedding_size)

    @contextlib.contextmanager
    def _limited(self, seconds: float) -> Iterator[onnxruntime.RunOptions]:
        """Give the options for runs that are ended after so many seconds; raises FaceSimError where they are."""
        with limited(seconds) as options:
            try:
                yield options
            except Exception as error:
                if options.terminate:
                    raise FaceSimError(
                        f"{self.path} holds a network that takes over {MAX_RUN} s for a crop: get a whole copy."
                    ) from error
                raise


def _path_or_content(path: Path) -> str | bytes:
    """Return what ONNX Runtime can open: the path, or the file's content where the path is not valid Unicode."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


@functools.cache
def _bound_memory() -> None:
    """Make all networks of this process allocate from one arena of bounded size."""
    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    arena = onnxruntime.OrtArenaCfg({"max_mem": _MAX_MEMORY})
    with contextlib.suppress(Exception):  # the host program has already made one
        onnxruntime.create_and_register_allocator(where, arena)


@functools.lru_cache(maxsize=1)  # a pool's workers receive the same one with every task
def _reopened(path: str, gpu: int | None, quick: bool, fingerprint: str) -> Model:
    model = Model(path, gpu, quick)
    if model.fingerprint != fingerprint:
        raise FaceSimError(f"{path} holds another network here than where it was opened first: use one file.")
    return model
