"""The loop: epochs of a stage, each with its steps, its judgement, its line in the log and its checkpoint."""

import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from facesim.errors import FaceSimError
from facesim.training.checkpoint import Checkpoint
from facesim.training.network import SiameseNet
from facesim.training.processes import Processes
from facesim.training.record import Record
from facesim.training.settings import Settings
from facesim.training.stages import IdentityStage, LocaliserStage

CLIP = 1.0  # the largest gradient norm
WARM_UP = 0.15  # of a stage's steps

Judgement = Callable[[], dict[str, float]]  # of the network as it is: "validation_f1" and what else is worth a line


class _Step(nn.Module):
    """What one step passes through, as a module of its own, so that its gradients can be shared."""

    def __init__(self, net: SiameseNet, stage: LocaliserStage | IdentityStage):
        super().__init__()
        self.net, self._forward = net, stage.forward

    def forward(self, crops: Tensor) -> Tensor:
        return self._forward(self.net, crops)


def run_stage(
    net: SiameseNet,
    stage: LocaliserStage | IdentityStage,
    settings: Settings,
    processes: Processes,
    judge: Judgement,
    record: Record,
    resumed: Checkpoint | None = None,
) -> None:
    """Train `net` by `stage`, going on from `resumed` where that was saved in it.

    The rate rises and falls once (one cycle), gradients are clipped, every epoch is judged on validation and saved.
    With `patience`, the stage ends once validation F1 no longer rises, and its best weights are kept; with
    `until_violations`, once few triplets are left to learn from.

    Raises FaceSimError when the loss diverges.
    """
    parameters = stage.begin(net, 0)
    optimiser = torch.optim.AdamW(parameters, stage.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, stage.learning_rate, total_steps=stage.epochs * len(stage) + 1, pct_start=WARM_UP
    )
    state = Checkpoint(stage.name, processes=processes.count)
    if resumed and resumed.stage == stage.name:
        state = resumed
        optimiser.load_state_dict(optimiser.state_dict() | {"state": state.moments})
        with warnings.catch_warnings(action="ignore"):  # PyTorch misses the optimiser's steps, made before the break
            for _ in range(state.epoch * len(stage)):
                schedule.step()

    while state.epoch < stage.epochs and not state.ended:
        stage.begin(net, state.epoch)
        step = processes.wrap(_Step(net, stage))
        seed = settings.seed * 1_000_003 + state.epoch
        torch.manual_seed(seed)
        random = torch.Generator().manual_seed(seed + 7919 * processes.rank)  # other augmentations in each process
        bar = tqdm(
            stage.batches(state.epoch, random, seed),
            f"{stage.name} {state.epoch + 1}/{stage.epochs}",
            len(stage),
            unit="batch",
            disable=not processes.main,
        )
        started, in_network, images, losses = time.perf_counter(), 0.0, 0, []
        for crops, *rest in bar:
            entered = time.perf_counter()
            loss = stage.loss(step(crops.to(processes.device)), *_moved(rest, processes.device))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
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
        measured = processes.from_main(judge)
        if settings.patience and stage.name == "identity":
            state.remember(net, measured["validation_f1"], settings.patience)
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


def _moved(values: list, device: torch.device) -> list:
    return [value.to(device) if isinstance(value, Tensor) else value for value in values]
