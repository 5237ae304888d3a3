"""A run's state between two epochs, as safetensors: nothing in it can run code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from facesim.errors import FaceSimError
from facesim.files import write_whole


def save_checkpoint(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, progress: dict) -> None:
    """Write the network, the optimiser's moments and `progress` (what JSON can hold) to `path`."""
    tensors = {f"net/{name}": tensor.contiguous() for name, tensor in net.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{i}/{name}": tensor.contiguous() for name, tensor in moments.items()}
    with write_whole(path) as scratch:
        save_file(tensors, scratch, {"progress": json.dumps(progress)})


def load_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[int, dict[str, torch.Tensor]], dict]:
    """Return the network's tensors, the optimiser's moments by parameter, and the progress.

    Raises FaceSimError when the file is damaged.
    """
    net, moments = {}, {}
    try:
        with safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
            for name in file.keys():  # noqa: SIM118, safe_open is no mapping
                owner, _, rest = name.partition("/")
                if owner == "net":
                    net[rest] = file.get_tensor(name)
                else:
                    i, _, moment = rest.partition("/")
                    moments.setdefault(int(i), {})[moment] = file.get_tensor(name)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise FaceSimError(f"{path} is damaged: start the run again without --resume.") from error
    return net, moments, progress
