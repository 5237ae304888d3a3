"""The loop: epochs of a stage, each trained, validated, logged and saved."""

import functools
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from facesim.errors import FaceSimError
from facesim.training.checkpoint import Checkpoint
from facesim.training.network import SiameseNet
from facesim.training.processes import Processes
from facesim.training.record import Record
from facesim.training.settings import Settings
from facesim.training.stages import Stage

MAX_GRADIENT_NORM = 1.0
WARM_UP = 0.15  # of a stage's steps


class _Step(nn.Module):
    """The forward pass of a step as a module of its own, so that its gradients can be shared between processes."""

    def __init__(self, net: SiameseNet, stage: Stage):
        super().__init__()
        self.net, self._forward = net, stage.forward

    def forward(self, crops: Tensor) -> Tensor:
        return self._forward(self.net, crops)


def run_stage(
    net: SiameseNet,
    stage: Stage,
    settings: Settings,
    processes: Processes,
    validate: Callable[[], dict[str, float]],
    record: Record,
    resumed: Checkpoint | None = None,
) -> None:
    """Train `net` by `stage`, continuing from `resumed` if that was saved in it.

    The learning rate follows a one-cycle schedule, and gradients are clipped. After each epoch `validate` measures
    "validation_f1", and more to be logged, and a checkpoint is saved. With the stage's `patience`, it ends once
    validation F1 no longer rises, and its best weights are kept; with `until_violations`, once fewer of the triplets
    violate the margin.

    Raises FaceSimError if the loss diverges.
    """
    parameters = stage.begin(net, 0)
    optimiser = torch.optim.AdamW(parameters, stage.learning_rate)
    state = Checkpoint(stage.name, processes=processes.count)
    if resumed and resumed.stage == stage.name:
        state = resumed
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state.moments})
    schedule = _one_cycle(optimiser, stage, state.epoch)

    while state.epoch < stage.epochs and not state.ended:
        stage.begin(net, state.epoch)
        step = processes.wrap(_Step(net, stage))
        seed = settings.seed * 1_000_003 + state.epoch
        torch.manual_seed(seed)
        random = torch.Generator().manual_seed(seed + 7919 * processes.rank)  # other augmentations in each process
        bar = tqdm(
            stage.batches(random, seed),
            f"{stage.name} {state.epoch + 1}/{stage.epochs}",
            stage.batches_per_epoch,
            unit="batch",
            disable=not processes.main,
        )
        started, in_network, images = time.perf_counter(), 0.0, 0
        losses: list[float] = []
        for crops, *rest in bar:
            entered = time.perf_counter()
            loss = stage.loss(step(crops.to(processes.device)), *rest)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                raise FaceSimError(f"the loss diverged in {stage.name} epoch {state.epoch + 1}: lower --learning-rate.")
            images += len(crops)
            in_network += time.perf_counter() - entered
            bar.set_postfix(loss=f"{np.mean(losses):.4f}")
        seconds = time.perf_counter() - started

        state.epoch += 1
        measured = processes.from_main(validate)
        if stage.patience:
            state.remember(net, measured["validation_f1"], stage.patience)
        if settings.until_violations and measured.get("violations", 1.0) < settings.until_violations:
            state.ended = True
        if processes.main:
            record.epoch(
                {
                    "stage": stage.name,
                    "epoch": state.epoch,
                    "loss": float(np.mean(losses)),
                    **measured,
                    "learning_rate": schedule.get_last_lr()[0],
                    "seconds": round(seconds, 2),
                    "images_per_second": round(processes.count * images / seconds, 1),
                    "network_share": round(in_network / seconds, 3),
                }
            )
            state.save(record.files.checkpoint, net, optimiser)
    if state.best:
        net.load_state_dict(state.best)


def _one_cycle(optimiser: torch.optim.Optimizer, stage: Stage, epochs_done: int) -> OneCycleLR:
    """Return the learning rate's schedule: it rises for a while, then falls to nothing, as does AdamW's first beta."""
    steps = stage.epochs * stage.batches_per_epoch
    one_cycle = functools.partial(OneCycleLR, optimiser, stage.learning_rate, total_steps=steps + 1, pct_start=WARM_UP)
    schedule = one_cycle()  # which notes in the optimiser what a later one continues from
    return one_cycle(last_epoch=epochs_done * stage.batches_per_epoch - 1) if epochs_done else schedule
