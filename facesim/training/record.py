"""What a run writes: its files, and after each epoch a line of metrics, curves and, if wanted, TensorBoard events."""

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
from facesim.training.settings import Settings


class RunFiles:
    """The paths of the files that a run writes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings = folder / "settings.json"
        self.metrics = folder / "metrics.jsonl"
        self.curves = folder / "curves.png"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.results = folder / "results.json"
        self.tensorboard = folder / "tensorboard"
        self.model = folder / "model.onnx"
        self.trained = folder / "trained.onnx"  # where it is not the model

    @property
    def written(self) -> list[Path]:
        """Return them all, without TensorBoard's."""
        pairs = [self.pairs(part) for part in ("train", "validation", "test")]
        models = [self.model, self.trained]
        return [self.settings, self.metrics, self.curves, self.checkpoint, self.results, *models, *pairs]

    def pairs(self, part: str) -> Path:
        """Return the path of the picture of pairs of "train", "validation" or "test"."""
        return self.folder / f"pairs-{part}.png"

    def open(self) -> Checkpoint | None:
        """Make the folder, and return the checkpoint in it if there is one."""
        try:
            self.folder.mkdir(0o700, parents=True, exist_ok=True)  # its pictures show faces
        except OSError as error:
            raise FaceSimError(f"{self.folder} cannot be written: {error.strerror}; name another --run.") from error
        return Checkpoint.load(self.checkpoint) if self.checkpoint.is_file() else None


def open_run(settings: Settings, folder: Path, resume: bool) -> None:
    """Make the folder of a new run and write its settings, or check that the run in it can be resumed with them.

    Raises FaceSimError if it cannot, or if a new run would mix with an earlier one.
    """
    files = RunFiles(folder)
    all_files = [files, *map(RunFiles, folder.glob("fold-*"))]
    begun = any(some.checkpoint.is_file() or some.results.is_file() for some in all_files)
    if resume and not files.settings.is_file():
        raise FaceSimError(f"{folder} holds no run to continue: leave out --resume.")
    if begun and not resume:
        raise FaceSimError(f"{folder} holds an earlier run: add --resume to continue it, or name another --run.")
    if not resume:
        files.open()
        write_json(files.settings, settings.as_dict())
        return
    stored, now = Settings.read(files.settings).as_dict(), settings.as_dict()
    if stored != now:
        changed = ", ".join(name for name in now if stored[name] != now[name])
        raise FaceSimError(f"{folder} was begun with other settings ({changed}): give the same, or no --resume.")


def write_json(path: Path, content: dict[str, Any]) -> None:
    written = json.dumps(content, indent=2)
    with write_whole(path) as scratch:
        scratch.write_text(written, "utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


class Record:
    """The log of a run; on TensorBoard, too, if `draw_pairs` is given, which draws pairs with current verdicts."""

    def __init__(self, files: RunFiles, draw_pairs: Callable[[], np.ndarray] | None = None):
        self.files, self._draw_pairs = files, draw_pairs
        if draw_pairs:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(files.tensorboard)

    def forget_after(self, state: Checkpoint | None) -> None:
        """Drop the lines of epochs after the one that the checkpoint holds, or all lines without one."""
        lines = self.files.metrics.read_text("utf-8").splitlines(keepends=True) if self.files.metrics.is_file() else []
        held = 0
        for i, text in enumerate(lines, 1):
            if not text.endswith("\n"):  # the run was killed, or the disk full, in the middle of it
                break
            line = json.loads(text)
            if state and (line["stage"], line["epoch"]) == (state.stage, state.epoch):
                held = i
        with write_whole(self.files.metrics) as scratch:
            scratch.write_text("".join(lines[:held]), "utf-8")

    def epoch(self, measured: dict[str, Any]) -> None:
        """Log what was measured in an epoch of a stage."""
        try:
            with self.files.metrics.open("a", encoding="utf-8") as log:
                log.write(json.dumps(measured) + "\n")
        except OSError as error:
            reason = f"{self.files.metrics} cannot be written: {error.strerror}"
            raise FaceSimError(f"{reason}; make room, then --resume.") from error
        draw_curves(self.files.metrics, self.files.curves)
        if self._draw_pairs:
            stage, epoch = measured["stage"], measured["epoch"]
            for name, value in measured.items():
                if name not in ("stage", "epoch"):
                    self._board.add_scalar(f"{stage}/{name}", value, epoch)
            self._board.add_image(f"{stage}/pairs", self._draw_pairs(), epoch, dataformats="HWC")
            self._board.flush()
        shares = [f"validation F1 {measured['validation_f1']:.4f}", f"AUC {measured['validation_auc']:.4f}"]
        if "violations" in measured:
            shares.append(f"{measured['violations']:.1%} of triplets violate the margin")
        tqdm.write(f"  loss {measured['loss']:.4f}, {', '.join(shares)}", file=sys.stderr)


def check_tensorboard() -> None:
    """Raise FaceSimError if TensorBoard's writer is not installed."""
    try:
        importlib.import_module("tensorboard")
    except ModuleNotFoundError as error:
        raise FaceSimError(f"--tensorboard needs {error.name}: {install_command('tensorboard')}.") from error
