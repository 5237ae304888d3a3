"""What is learned: first where the face is, then who it is. A stage gives batches and the loss on each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.data.batches import IdentityBatches
from facesim.training.augment import augment
from facesim.training.network import SiameseNet
from facesim.training.objectives import make_objective
from facesim.training.poses import Similarity
from facesim.training.processes import Processes
from facesim.training.settings import Settings

LOCALISER_BATCH = 64  # crops
LOCALISER_RATE = 2e-3


@dataclass(frozen=True, slots=True)
class LocaliserStage:
    """Teach the localiser to find the chip that dlib's landmarks would cut; it needs no identities."""

    wide_crops: np.ndarray  # (n, 252, 252, 3) uint8
    photos: np.ndarray  # (m,) indices of those to train on
    chips: Similarity  # (m,) from chip to wide crop
    epochs: int
    processes: Processes
    learning_rate: float = LOCALISER_RATE
    name: str = "localiser"

    def begin(self, net: SiameseNet, epoch: int) -> list[nn.Parameter]:
        """Set the modes of the network's parts and return what is trained."""
        net.recognisers.requires_grad_(False)
        net.train()
        return list(net.localiser.parameters())

    def batches(self, epoch: int, random: torch.Generator, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield crops `(b, 160, 160, 3)` and the poses `(b, 4)` to be found in them."""
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self.photos)))
        for batch in order.split(LOCALISER_BATCH * self.processes.count)[: len(self)]:
            rows = batch[self.processes.rank :: self.processes.count]
            crops, placement = augment(torch.from_numpy(self.wide_crops[self.photos[rows]]), random)
            yield crops, placement.carry(self.chips[rows]).as_pose()

    def __len__(self) -> int:
        """Return the batches per epoch."""
        return max(1, len(self.photos) // (LOCALISER_BATCH * self.processes.count))

    def forward(self, net: SiameseNet, crops: Tensor) -> Tensor:
        return net.localiser.measure(net.normalise(crops))

    def loss(self, output: Tensor, poses: Tensor) -> Tensor:
        return F.smooth_l1_loss(output, poses)


class IdentityStage:
    """Teach the network who is who, by pairs or triplets of batches of P identities × K photos.

    `targets` `(m, d)` are the embeddings that the start gives: where they are given, new ones are held near them, so
    that what was known of other people is not lost. A localiser that has been taught keeps still.
    """

    name = "identity"

    def __init__(
        self,
        settings: Settings,
        wide_crops: np.ndarray,
        photos: np.ndarray,
        identities: np.ndarray,
        targets: Tensor | None,
        processes: Processes,
    ):
        self.epochs, self.learning_rate = settings.epochs, settings.learning_rate
        self._settings, self._processes, self._targets = settings, processes, targets
        self._wide_crops, self._photos = wide_crops, photos
        people, singles = settings.people_per_batch * processes.count, settings.singles_per_batch * processes.count
        self._batches = IdentityBatches(identities, people, settings.photos_per_person, singles)

    def begin(self, net: SiameseNet, epoch: int) -> list[nn.Parameter]:
        """Set the modes of the network's parts for `epoch`, counted from 0; return what the stage trains in all."""
        net.train().requires_grad_(True)
        trained = net
        if self._settings.localiser_is_taught:
            net.localiser.eval().requires_grad_(False)
            trained = net.recognisers
        if epoch < self._settings.freeze_until:
            net.localiser.eval().requires_grad_(False)
            for recogniser in net.recognisers:
                recogniser.features.eval().requires_grad_(False)
        self._objective = make_objective(self._settings, epoch)
        return list(trained.parameters())

    def __len__(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int, random: torch.Generator, seed: int) -> Iterator[tuple]:
        """Yield our crops `(b, 160, 160, 3)`, and of all processes' crops the identity numbers and the targets."""
        for shares in self._batches.draw(seed, self._processes.count):
            wide = torch.from_numpy(self._wide_crops[self._photos[shares[self._processes.rank]]])
            crops, _ = augment(wide, random, self._settings.augmentation)
            people = [torch.from_numpy(self._batches.people[rows]) for rows in shares]
            yield crops, people, None if self._targets is None else self._targets[np.concatenate(shares)]

    def forward(self, net: SiameseNet, crops: Tensor) -> Tensor:
        pixels = net.normalise(crops)
        chips = net.straighten(pixels, net.localiser(pixels))  # in full precision: a face must be found exactly
        half = crops.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=half):
            descriptors = net.describe(chips)
        return net.unite([part.float() for part in descriptors])

    def loss(self, output: Tensor, people: list[Tensor], targets: Tensor | None) -> Tensor:
        """Return the loss over the embeddings of all processes, of which `output` `(b, d)` are ours."""
        embeddings = self._processes.gather(output, [len(part) for part in people])
        loss = self._objective(embeddings, torch.cat(people).to(output.device))
        if targets is not None:
            loss = loss + self._settings.hold * (embeddings - targets).square().sum(1).mean()
        return loss
