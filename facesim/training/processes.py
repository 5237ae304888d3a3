"""The processes that train together, as torchrun starts them; without torchrun there is one."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from facesim.errors import FaceSimError

PATIENCE = timedelta(hours=6)  # one process may have to cut all faces while the others wait


@dataclass(frozen=True, slots=True)
class Processes:
    """This process's rank among `count`, and the device it trains on."""

    rank: int
    count: int
    device: torch.device

    @property
    def main(self) -> bool:
        """Return whether this is the process that writes files."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return `module` with its gradients averaged over all processes."""
        if self.count == 1:
            return module
        cuda = self.device.type == "cuda"
        if cuda:
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return nn.parallel.DistributedDataParallel(module, [self.device.index] if cuda else None)

    def gather(self, rows: Tensor, sizes: list[int]) -> Tensor:
        """Return the rows of all processes, `(n, d)`, given how many each has.

        Gradients flow into our own only, multiplied by `count`, so that their mean over processes, which `wrap` takes,
        is the gradient that one process with all the rows would have.
        """
        if self.count == 1:
            return rows
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        parts = [part[:size] for part, size in zip(parts, sizes, strict=True)]
        parts[self.rank] = self.count * rows - (self.count - 1) * rows.detach()
        return torch.cat(parts)

    def from_main(self, compute: Callable[[], Any]) -> Any:
        """Compute something in the main process, and return it in every process.

        If that raises a FaceSimError, the main process raises it, and the others exit.
        """
        values = [self._agreed(compute, self.main)]
        if self.count > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def first_on_each_machine(self, prepare: Callable[[], Any]) -> Any:
        """Prepare files in one process on each machine, then read them in the others; errors end all, as above."""
        first = int(os.environ.get("LOCAL_RANK", 0)) == 0
        prepared = self._agreed(prepare, first)
        return prepared if first else prepare()

    def _agreed(self, compute: Callable[[], Any], ours: bool) -> Any:
        """Compute if it is `ours` to; if that fails in any process, end all."""
        value, error = None, None
        try:
            value = compute() if ours else None
        except FaceSimError as raised:
            error = raised
        errors = [error] * self.count
        if self.count > 1:
            dist.all_gather_object(errors, error)
        if error:
            raise error
        if any(errors):
            raise SystemExit(2)
        return value


@contextlib.contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes that torchrun has started, if it has."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    if not dist.is_torchelastic_launched():
        yield Processes(0, 1, device)
        return
    if cuda and device.index >= torch.cuda.device_count():
        raise FaceSimError(
            f"this machine has {torch.cuda.device_count()} GPUs: give torchrun no more processes for it."
        )
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
