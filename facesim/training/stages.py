"""What is learned: first where the face is, then who it is. A stage gives batches and the loss on each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from facesim.face import centre_crop
from facesim.training.augment import augment
from facesim.training.network import SiameseNet, to_unit
from facesim.training.poses import Similarity, from_pose, random_similarity

BATCH = 64  # crops
REPEATED, SINGLE = 24, 16  # identities in a batch with two photos each, and with their only one


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
    epoch meets each repeated identity twice. With `targets`, the embeddings are also held near those of the network
    it started from, averaged over views of the same crop, so that what it knew of other people is not lost; the
    localiser then keeps still.
    """

    wide_crops: np.ndarray  # (n, 252, 252, 3) uint8
    photos: np.ndarray  # (m,) indices of those to train on
    identities: np.ndarray  # (m,) str
    epochs: int
    learning_rate: float
    margin: float
    targets: Tensor | None = None  # (m, 129) unit embeddings
    target_weight: float = 10.0
    name: str = "identity"

    def begin(self, net: SiameseNet) -> list[nn.Parameter]:
        net.train()
        if self.targets is None:
            return list(net.parameters())
        net.localiser.eval().requires_grad_(False)
        return list(net.recogniser.parameters())

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
            crops, _ = augment(torch.from_numpy(self.wide_crops[self.photos[rows]]), random)
            yield crops, torch.from_numpy(people[rows]), None if self.targets is None else self.targets[rows]

    def loss(self, net: SiameseNet, crops: Tensor, people: Tensor, targets: Tensor | None) -> Tensor:
        embeddings = net.embed(crops)
        loss = ContrastiveLoss(0, self.margin, distance=LpDistance(normalize_embeddings=False))(embeddings, people)
        if targets is not None:
            loss = loss + self.target_weight * (embeddings - targets).square().sum(1).mean()
        return loss


VIEWS = 5  # of a crop and as many of its mirror image: the chip found, and four slightly moved ones


@torch.inference_mode()
def view_targets(net: SiameseNet, wide_crops: np.ndarray, photos: np.ndarray, device: torch.device) -> Tensor:
    """Return the embedding of each photo's crop averaged over its views, `(m, 129)`: steadier than one view's."""
    net.eval()
    random = torch.Generator().manual_seed(0)
    targets = []
    for batch in tqdm(np.array_split(photos, max(1, len(photos) // BATCH)), "averaging views", unit="batch"):
        crops = torch.from_numpy(centre_crop(wide_crops[batch])).to(device)
        total = 0
        for side in (crops, crops.flip(2)):
            pixels = net.normalise(side)
            found = from_pose(net.localiser(pixels))
            for view in range(VIEWS):
                moved = random_similarity(len(batch), 0.07, 4.0, 0.04, random) if view else None
                pose = found.after(moved.to(device)) if view else found
                total = total + net.recogniser(net.straighten(pixels, pose.as_pose()))
        targets.append(to_unit(total / (2 * VIEWS)).cpu())
    return torch.cat(targets)
