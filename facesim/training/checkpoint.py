"""A run's state between two epochs, as safetensors: nothing in it can run code."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from facesim.errors import FaceSimError
from facesim.files import write_whole


@dataclass(slots=True)
class Checkpoint:
    """The progress of a stage, and with `patience` the best weights so far."""

    stage: str
    epoch: int = 0  # epochs done
    processes: int = 1  # that train together: with another number the batches would be different
    ended: bool = False  # before its last epoch
    best_f1: float = -1.0
    best_epoch: int = 0
    net: dict[str, Tensor] = field(default_factory=dict)
    moments: dict[int, dict[str, Tensor]] = field(default_factory=dict)  # of the optimiser, by parameter
    best: dict[str, Tensor] = field(default_factory=dict)  # the network's weights after its best epoch

    def remember(self, net: nn.Module, f1: float, patience: int) -> None:
        """Keep the weights if `f1` is the best so far; end if none of the last `patience` epochs was the best."""
        if f1 > self.best_f1:
            self.best_f1, self.best_epoch = f1, self.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        self.ended = self.epoch - self.best_epoch >= patience

    def save(self, path: Path, net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        tensors = {f"net/{name}": tensor for name, tensor in net.state_dict().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for i, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"moments/{i}/{name}": tensor for name, tensor in moments.items()}
        progress = {name: getattr(self, name) for name in _PROGRESS}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        try:
            with write_whole(path) as scratch:
                save_file(tensors, scratch, {"progress": json.dumps(progress)})
        except SafetensorError as error:
            raise FaceSimError(f"{path} cannot be written ({error}): make room, then --resume.") from error

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint; raises FaceSimError if the file is damaged."""
        try:
            with safe_open(path, "pt") as file:
                progress = json.loads(file.metadata()["progress"])
                state = cls(**{name: progress[name] for name in _PROGRESS})
                for name in file.keys():  # noqa: SIM118, safe_open is no mapping
                    owner, _, rest = name.partition("/")
                    if owner == "moments":
                        i, _, moment = rest.partition("/")
                        state.moments.setdefault(int(i), {})[moment] = file.get_tensor(name)
                    else:
                        getattr(state, owner)[rest] = file.get_tensor(name)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FaceSimError(f"{path} is damaged: start the run again without --resume.") from error
        return state


_PROGRESS = ("stage", "epoch", "processes", "ended", "best_f1", "best_epoch")
