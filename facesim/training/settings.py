"""The settings of a training run: each has one definition, here, and a default that is the best we know."""

from dataclasses import dataclass
from pathlib import Path

from facesim.errors import FaceSimError

INITS = {
    "dlib": {},
    "scratch": {"localiser_epochs": 0, "epochs": 4, "learning_rate": 1e-3, "margin": 1.0, "augmentation": 0.3},
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `facesim train` was asked to do; it is stored in the run folder and in the model file."""

    data: str = "lfw"  # "lfw", or a folder with one sub-folder of photos per identity
    init: str = "dlib"
    localiser_epochs: int = 16
    epochs: int = 3
    learning_rate: float = 3e-5
    margin: float = 0.35  # impostors farther apart than this cost nothing
    augmentation: float = 1.0  # how strongly crops are changed while learning who it is, 0 to 1
    seed: int = 0

    @classmethod
    def for_init(cls, init: str, **given) -> "Settings":
        """Return the settings given, and for the others (left out, or None) the best known for this start."""
        return cls(init=init, **INITS.get(init, {}) | {key: value for key, value in given.items() if value is not None})

    def check(self) -> None:
        """Raise FaceSimError where a setting makes no sense."""
        if self.init not in INITS:
            raise FaceSimError(f"--init {self.init} is not one of {', '.join(INITS)}.")
        if self.localiser_epochs < 0 or self.epochs < 0 or self.localiser_epochs + self.epochs == 0:
            raise FaceSimError("--epochs and --localiser-epochs must not be negative, nor both 0.")
        if not 0 < self.margin <= 2:
            raise FaceSimError(f"--margin {self.margin} must lie between 0 and 2, the largest distance there is.")
        if not 0 <= self.augmentation <= 1:
            raise FaceSimError(f"--augmentation {self.augmentation} must lie between 0 and 1.")
        if not 0 < self.learning_rate < 1:
            raise FaceSimError(f"--learning-rate {self.learning_rate} must lie between 0 and 1.")


class RunFiles:
    """Where a run keeps what it writes."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.settings = folder / "settings.json"
        self.metrics = folder / "metrics.jsonl"
        self.curves = folder / "curves.png"
        self.checkpoint = folder / "checkpoint.safetensors"
        self.results = folder / "results.json"
