"""A GPU: whether ONNX Runtime can use one, and running the crops of many threads on it in batches."""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from facesim.errors import FaceSimError

CUDA = "CUDAExecutionProvider"
MAX_BATCH = 32  # crops: one at a time leaves most of a GPU idle
MAX_QUICK_BATCH = 2  # for a pair or two
_MAX_MEMORY = 2**31  # bytes on the GPU that pass between layers
_OPTIONS = {
    "gpu_mem_limit": _MAX_MEMORY,
    "arena_extend_strategy": "kSameAsRequested",
    "cudnn_conv_algo_search": "HEURISTIC",  # trying the others takes seconds, and chooses differently from run to run
    "use_tf32": 0,  # ten bits of precision would move embeddings by more than 1e-5
}


def checked_gpu(gpu: int | None) -> int:
    """Return the number of a GPU, -1 for the CPU; raises FaceSimError where this onnxruntime knows no GPU."""
    if gpu is None:
        return -1
    if not isinstance(gpu, int):
        raise FaceSimError(f"{gpu!r} is not the number of a GPU: give 0 for the first, or -1 for the CPU.")
    if gpu >= 0 and CUDA not in onnxruntime.get_available_providers():
        raise FaceSimError(f"GPU {gpu} was asked for, but this onnxruntime knows none: pip install onnxruntime-gpu.")
    return gpu


def providers(gpu: int) -> list[Any]:
    """Return what runs a session on a GPU, or on the CPU where it is -1; the CPU runs what a GPU cannot."""
    return ["CPUExecutionProvider"] if gpu < 0 else [(CUDA, {"device_id": gpu} | _OPTIONS)]


def check_on_gpu(session: onnxruntime.InferenceSession, gpu: int) -> None:
    """Raise FaceSimError where a session runs on the CPU instead of the GPU: ONNX Runtime falls back silently."""
    if CUDA not in session.get_providers():
        raise FaceSimError(
            f"GPU {gpu} was asked for, but ONNX Runtime cannot use it: see that its driver and the CUDA and cuDNN of "
            f"onnxruntime-gpu {onnxruntime.__version__} are installed, or leave the GPU out."
        )


class Batches:
    """Embeds the crops of many threads together.

    Nobody waits for others to come: those who come while a batch runs are the next batch. All batches have one size,
    and black crops fill them up, because cuDNN plans a network anew whenever the size changes. That size is `largest`
    at first, and halved whenever a batch fails, as it does where the GPU has too little free memory; a crop that fails
    alone fails only for whoever gave it.
    """

    def __init__(self, largest: int):
        self.size = largest
        self._waiting: deque[tuple[np.ndarray, list, int]] = deque()  # a crop, and where its embedding belongs
        self._turn = threading.Lock()
        self._process = os.getpid()

    def embed(self, crops: np.ndarray, run: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Map crops `(n, h, w, 3) uint8` to embeddings `(n, d) float32` by `run`, which does so for a batch.

        Raises what `run` raises for the first of the crops that fails alone; after a FaceSimError, as of a network that
        never ends, no smaller batch is tried. Raises FaceSimError in a forked process, where CUDA does not work.
        """
        if os.getpid() != self._process:
            raise FaceSimError("a forked process cannot use the GPU that its parent uses: start it by spawn.")
        outcomes: list = [None] * len(crops)
        self._waiting.extend((crop, outcomes, i) for i, crop in enumerate(crops))
        while len(crops) and outcomes[-1] is None:
            with self._turn:
                if outcomes[-1] is None:
                    self._run_batch(run)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return np.array(outcomes)

    def _run_batch(self, run: Callable[[np.ndarray], np.ndarray]) -> None:
        """Run the crops that have waited longest; they go on waiting where a smaller batch is to be tried."""
        crops = [self._waiting[i] for i in range(min(self.size, len(self._waiting)))]
        batch = np.zeros((self.size, *crops[0][0].shape), np.uint8)
        batch[: len(crops)] = [crop for crop, _, _ in crops]
        found: Any
        try:
            found = run(batch)
        except Exception as error:
            if self.size > 1 and not isinstance(error, FaceSimError):
                self.size //= 2
                return
            found = [error] * self.size
        for (_, outcomes, i), outcome in zip(crops, found, strict=False):
            self._waiting.popleft()
            outcomes[i] = outcome
