"""What is learned: first where the face is, then who it is. A stage provides batches and the loss on each."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.data.batches import IdentityBatches
from facesim.data.cache import WideCrops
from facesim.training.augment import augment
from facesim.training.network import SiameseNet
from facesim.training.objectives import make_objective
from facesim.training.poses import Similarity
from facesim.training.processes import Processes
from facesim.training.settings import Settings

LOCALISER, IDENTITY = "localiser", "identity"  # names of the stages
LOCALISER_BATCH = 64  # crops
LOCALISER_RATE = 2e-3


class Stage(Protocol):
    """What the loop trains by."""

    name: str
    epochs: int
    batches_per_epoch: int
    learning_rate: float  # the highest
    patience: int | None  # epochs without a better validation F1 after which it ends

    def begin(self, net: SiameseNet, epoch: int) -> list[nn.Parameter]:
        """Prepare the parts of the network for `epoch`, counted from 0; return all that the stage ever trains."""

    def batches(self, random: torch.Generator, seed: int) -> Iterator[tuple]:
        """Yield the batches of an epoch: this process's crops `(b, 160, 160, 3)`, and what else `loss` takes."""

    def forward(self, net: SiameseNet, crops: Tensor) -> Tensor:
        """Return the output that `loss` takes."""

    @property
    def loss(self) -> Callable[..., Tensor]:
        """The loss of the output, given the rest of the batch."""


class LocaliserStage:
    """Teach the localiser to find the chip that dlib's landmarks would cut; it needs no identities.

    `photos` `(m,)` are indices into `wide_crops`, `chips` `(m,)` the maps from each photo's chip into its wide crop.
    """

    name = LOCALISER
    learning_rate = LOCALISER_RATE
    patience: int | None = None

    def __init__(self, wide_crops: WideCrops, photos: np.ndarray, chips: Similarity, epochs: int, processes: Processes):
        self.epochs = epochs
        self._wide_crops, self._photos, self._chips, self._processes = wide_crops, photos, chips, processes
        self._batch_size = LOCALISER_BATCH * processes.count
        self.batches_per_epoch = max(1, len(photos) // self._batch_size)

    def begin(self, net: SiameseNet, epoch: int) -> list[nn.Parameter]:
        net.recognisers.requires_grad_(False)
        net.train()
        return list(net.localiser.parameters())

    def batches(self, random: torch.Generator, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield crops `(b, 160, 160, 3)` and the poses `(b, 4)` to be found in them."""
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self._photos)))
        for batch in order.split(self._batch_size)[: self.batches_per_epoch]:
            rows = batch[self._processes.rank :: self._processes.count]
            crops, placement = augment(torch.from_numpy(self._wide_crops[self._photos[rows]]), random)
            yield crops, placement.carry(self._chips[rows]).as_pose()

    def forward(self, net: SiameseNet, crops: Tensor) -> Tensor:
        return net.localiser.measure(net.normalise(crops))

    def loss(self, output: Tensor, poses: Tensor) -> Tensor:
        return F.smooth_l1_loss(output, poses.to(output.device))


class IdentityStage:
    """Teach the network who is who, by pairs or triplets of batches of P identities × K photos.

    `photos` `(m,)` are indices into `wide_crops`, and show `identities` `(m,) str`. `targets` `(m, d)`, if given, are
    the embeddings at the start; new ones are held near them, so that what was learned of other people is not lost. A
    localiser that has been taught is not trained.
    """

    name = IDENTITY

    def __init__(
        self,
        settings: Settings,
        wide_crops: WideCrops,
        photos: np.ndarray,
        identities: np.ndarray,
        targets: Tensor | None,
        processes: Processes,
    ):
        self.epochs, self.learning_rate, self.patience = settings.epochs, settings.learning_rate, settings.patience
        self._settings, self._processes, self._targets = settings, processes, targets
        self._wide_crops, self._photos = wide_crops, photos
        people, singles = settings.people_per_batch * processes.count, settings.singles_per_batch * processes.count
        self._batches = IdentityBatches(identities, people, settings.photos_per_person, singles)
        self.batches_per_epoch = len(self._batches)

    def begin(self, net: SiameseNet, epoch: int) -> list[nn.Parameter]:
        net.train().requires_grad_(True)
        trained = net.recognisers if self._settings.localiser_is_taught else net
        if self._settings.localiser_is_taught or epoch < self._settings.freeze_until:
            net.localiser.eval().requires_grad_(False)
        if epoch < self._settings.freeze_until:
            for recogniser in net.recognisers:
                recogniser.features.eval().requires_grad_(False)
        self._objective = make_objective(self._settings, epoch)
        return list(trained.parameters())

    def batches(self, random: torch.Generator, seed: int) -> Iterator[tuple]:
        """Yield our crops `(b, 160, 160, 3)`, and the identity numbers and targets of all processes' crops."""
        for shares in self._batches.draw(seed, self._processes.count):
            wide = torch.from_numpy(self._wide_crops[self._photos[shares[self._processes.rank]]])
            crops, _ = augment(wide, random, self._settings.augmentation)
            identities = [torch.from_numpy(self._batches.identity_numbers[rows]) for rows in shares]
            yield crops, identities, None if self._targets is None else self._targets[np.concatenate(shares)]

    def forward(self, net: SiameseNet, crops: Tensor) -> Tensor:
        pixels = net.normalise(crops)
        chips = net.straighten(pixels, net.localiser(pixels))  # in full precision: a face must be found exactly
        half = crops.is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=half):
            descriptors = net.describe(chips)
        return net.unite([part.float() for part in descriptors])

    def loss(self, output: Tensor, identities: list[Tensor], targets: Tensor | None) -> Tensor:
        """Return the loss over the embeddings of all processes, of which `output` `(b, d)` are ours."""
        embeddings = self._processes.gather(output, [len(part) for part in identities])
        loss = self._objective(embeddings, torch.cat(identities).to(output.device))
        if targets is not None:
            distances = embeddings - targets.to(output.device)
            loss = loss + self._settings.hold * distances.square().sum(1).mean()
        return loss
