"""Two processes that share a batch learn as one that has it whole."""

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import nn

from facesim.training.backbones import Affine
from facesim.training.loop import _Step
from facesim.training.network import Localiser, Recogniser, SiameseNet
from facesim.training.processes import Processes
from facesim.training.settings import Settings
from facesim.training.stages import IdentityStage

IDENTITIES = np.repeat(["Ana", "Bo", "Cleo", "Dan", "Eve", "Flo", "Gil"], [3, 2, 3, 2, 4, 1, 1])
OBJECTIVES = [("contrastive", "semihard"), ("triplet", "semihard"), ("triplet", "hard")]


def gradients(rank, count, loss, mining):
    """Return the gradients of one step on all people, of which this process has its share."""
    torch.manual_seed(0)
    net = SiameseNet([Recogniser("small", Affine)], Localiser(Affine))
    nn.init.normal_(net.localiser.head[-1].weight, std=0.02)
    processes = Processes(rank, count, torch.device("cpu"))
    settings = Settings.best(
        backbone="small", loss=loss, mining=mining, people_per_batch=6 // count, singles_per_batch=2 // count, hold=50.0
    )
    targets = torch.nn.functional.normalize(torch.randn(len(IDENTITIES), 129))
    crops = torch.randint(0, 256, (len(IDENTITIES), 160, 160, 3)).float()
    stage = IdentityStage(settings, None, np.arange(len(IDENTITIES)), IDENTITIES, targets, processes)
    stage.begin(net, 0)
    shares = next(stage._batches.draw(0, count))
    identities = [torch.from_numpy(stage._batches.identity_numbers[rows]) for rows in shares]
    step = processes.wrap(_Step(net, stage))
    stage.loss(step(crops[shares[rank]]), identities, targets[np.concatenate(shares)]).backward()
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


def share(rank, port, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for loss, mining in OBJECTIVES:
        torch.save(gradients(rank, 2, loss, mining), folder / f"{loss} {mining} {rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A folder of the gradients that two processes have, for each objective."""
    folder = tmp_path_factory.mktemp("gradients")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(share, (port, folder), nprocs=2)
    return folder


@pytest.mark.parametrize(("loss", "mining"), OBJECTIVES)
def test_gradients_are_those_of_the_whole_batch(shared, loss, mining):
    first, second = (torch.load(shared / f"{loss} {mining} {rank}.pt", weights_only=True) for rank in range(2))
    whole = gradients(0, 1, loss, mining)
    assert first.keys() == whole.keys()
    assert len(whole) > 20
    scale = max(gradient.abs().max() for gradient in whole.values())
    for name, gradient in whole.items():
        assert torch.equal(first[name], second[name]), name
        assert (first[name] - gradient).abs().max() < 0.01 * gradient.abs().max() + 1e-5 * scale, name
