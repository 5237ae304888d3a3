"""What a run writes: files, and after each epoch a line of metrics, curves and, if asked, TensorBoard events."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from facesim.errors import FaceSimError
from facesim.files import write_whole
from facesim.install import install_command
from facesim.training.checkpoint import Checkpoint
from facesim.training.curves import draw_curves


class RunFiles:
    """Where a run keeps what it writes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings = folder / "settings.json"
        self.metrics = folder / "metrics.jsonl"
        self.curves = folder / "curves.png"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.results = folder / "results.json"
        self.tensorboard = folder / "tensorboard"
        self.model = folder / "model.onnx"

    @property
    def written(self) -> list[Path]:
        """Return all files that a run writes."""
        pairs = [self.pairs(part) for part in ("train", "validation", "test")]
        return [self.settings, self.metrics, self.curves, self.checkpoint, self.results, self.model, *pairs]

    def pairs(self, part: str) -> Path:
        """Return where the picture of pairs lies, of "train", "validation" or "test"."""
        return self.folder / f"pairs-{part}.png"


class Record:
    """The log of a run. `pair_picture`, where TensorBoard is wanted, draws pairs as the network now judges them."""

    def __init__(self, files: RunFiles, pair_picture: Callable[[], np.ndarray] | None = None):
        self.files, self._pair_picture, self._board = files, pair_picture, None
        if pair_picture:
            self._board = _summary_writer(files)

    def forget_after(self, state: Checkpoint | None) -> None:
        """Drop what was written down of epochs after the last that the checkpoint holds, or all without one."""
        lines = self.files.metrics.read_text("utf-8").splitlines(keepends=True) if self.files.metrics.is_file() else []
        held = 0
        for i, text in enumerate(lines, 1):
            if not text.endswith("\n"):  # the run ended, or the disk was full, in the middle of it
                break
            line = json.loads(text)
            if state and (line["stage"], line["epoch"]) == (state.stage, state.epoch):
                held = i
        with write_whole(self.files.metrics) as scratch:
            scratch.write_text("".join(lines[:held]), "utf-8")

    def epoch(self, measured: dict[str, Any]) -> None:
        """Write down what was measured in an epoch of a stage."""
        try:
            with self.files.metrics.open("a", encoding="utf-8") as log:
                log.write(json.dumps(measured) + "\n")
        except OSError as error:
            reason = f"{self.files.metrics} cannot be written: {error.strerror}"
            raise FaceSimError(f"{reason}; make room, then --resume.") from error
        draw_curves(self.files.metrics, self.files.curves)
        if self._board:
            stage, epoch = measured["stage"], measured["epoch"]
            for name, value in measured.items():
                if name not in ("stage", "epoch"):
                    self._board.add_scalar(f"{stage}/{name}", value, epoch)
            self._board.add_image(f"{stage}/pairs", self._pair_picture(), epoch, dataformats="HWC")
            self._board.flush()
        shares = [f"validation F1 {measured['validation_f1']:.4f}", f"AUC {measured['validation_auc']:.4f}"]
        if "violations" in measured:
            shares.append(f"{measured['violations']:.1%} of triplets violate the margin")
        tqdm.write(f"  loss {measured['loss']:.4f}, {', '.join(shares)}", file=sys.stderr)


def check_tensorboard() -> None:
    """Raise FaceSimError where TensorBoard's writer is not installed."""
    try:
        importlib.import_module("tensorboard")
    except ModuleNotFoundError as error:
        raise FaceSimError(f"--tensorboard needs {error.name}: {install_command('tensorboard')}.") from error


def _summary_writer(files: RunFiles):
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(files.tensorboard)
