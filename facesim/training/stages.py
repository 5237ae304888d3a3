"""What is learned: first where the face is, then who it is. A stage gives batches and the loss on each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.training.augment import augment
from facesim.training.network import SiameseNet, to_unit
from facesim.training.poses import Similarity

BATCH = 64  # crops
REPEATED, SINGLE = 24, 16  # identities in a batch with two photos each, and with their only one
GENUINE_MARGIN = 0.1  # genuine pairs nearer than this cost nothing
TARGET_WEIGHT = 50.0  # of the squared distance to the target, beside the contrastive loss


@dataclass(frozen=True, slots=True)
class LocaliserStage:
    """Teach the localiser to find the chip that dlib's landmarks would cut; it needs no identities."""

    wide_crops: np.ndarray  # (n, 252, 252, 3) uint8
    photos: np.ndarray  # (m,) indices of those to train on
    chips: Similarity  # (m,) from chip to wide crop
    epochs: int
    learning_rate: float = 2e-3
    name: str = "localiser"

    def begin(self, net: SiameseNet) -> list[nn.Parameter]:
        """Set the modes of the network's parts and return what is trained."""
        net.train()
        return list(net.localiser.parameters())

    def batches(self, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield crops `(b, 160, 160, 3)` and the poses `(b, 4)` to be found in them."""
        order = torch.randperm(len(self.photos), generator=random)
        for rows in order.split(BATCH)[: len(self)]:
            crops, placement = augment(torch.from_numpy(self.wide_crops[self.photos[rows]]), random)
            yield crops, placement.carry(self.chips[rows]).as_pose()

    def __len__(self) -> int:
        """Return the batches per epoch."""
        return max(1, len(self.photos) // BATCH)

    def loss(self, net: SiameseNet, crops: Tensor, poses: Tensor) -> Tensor:
        return F.smooth_l1_loss(net.localiser(net.normalise(crops)), poses)


@dataclass(frozen=True, slots=True)
class IdentityStage:
    """Teach the network who is who: the contrastive loss (Hadsell et al. 2006) over all pairs of a batch.

    A batch draws identities, not photos: 24 with two photos each, and 16 who have only one and serve as impostors. An
    epoch meets each repeated identity twice. `targets` are the embeddings that the network gave at the start: where
    they are given, new ones are held near them, so that what it knew of other people is not lost, and the localiser
    keeps still.
    """

    wide_crops: np.ndarray  # (n, 252, 252, 3) uint8
    photos: np.ndarray  # (m,) indices of those to train on
    identities: np.ndarray  # (m,) str
    epochs: int
    learning_rate: float
    margin: float
    augmentation: float = 1.0
    targets: Tensor | None = None  # (m, 129) unit embeddings
    name: str = "identity"

    def begin(self, net: SiameseNet) -> list[nn.Parameter]:
        net.train()
        if self.targets is None:
            return list(net.parameters())
        net.localiser.eval().requires_grad_(False)
        return list(net.recogniser.parameters())

    def _contrastive(self, embeddings: Tensor, people: Tensor) -> Tensor:
        distance = LpDistance(normalize_embeddings=False)
        return ContrastiveLoss(GENUINE_MARGIN, self.margin, distance=distance)(embeddings, people)

    def _people(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.unique(self.identities, return_inverse=True, return_counts=True)

    def __len__(self) -> int:
        return max(1, 2 * int((self._people()[2] > 1).sum()) // REPEATED)

    def batches(self, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield crops `(b, 160, 160, 3)`, identity numbers `(b,)` and, where there are any, target embeddings."""
        choose = np.random.default_rng(random.initial_seed())
        _, people, counts = self._people()
        rows_of = np.split(np.argsort(people, kind="stable"), np.cumsum(counts)[:-1])
        repeated, single = np.flatnonzero(counts > 1), np.flatnonzero(counts == 1)
        order = np.concatenate([choose.permutation(repeated), choose.permutation(repeated)])
        for batch in range(len(self)):
            present = np.unique(order[batch * REPEATED : (batch + 1) * REPEATED])
            rows = [choose.choice(rows_of[person], 2, replace=False) for person in present]
            rows += [rows_of[person] for person in choose.permutation(single)[:SINGLE]]
            rows = np.concatenate(rows)
            crops, _ = augment(torch.from_numpy(self.wide_crops[self.photos[rows]]), random, self.augmentation)
            yield crops, torch.from_numpy(people[rows]), None if self.targets is None else self.targets[rows]

    def loss(self, net: SiameseNet, crops: Tensor, people: Tensor, targets: Tensor | None) -> Tensor:
        embeddings = to_unit(net.describe(net.normalise(crops)))
        loss = self._contrastive(embeddings, people)
        if targets is not None:
            loss = loss + TARGET_WEIGHT * (embeddings - targets).square().sum(1).mean()
        return loss
