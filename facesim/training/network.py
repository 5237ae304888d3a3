"""The Siamese network: a localiser that straightens the crop, then recognisers that describe it, with shared weights.

The localiser is a spatial transformer (Jaderberg et al. 2015): four numbers (a, b, x, y) say where in the 160×160
crop the aligned chip is, c = [[a, −b], [b, a]]·q + (x, y) with q and c in −1..1 from edge to edge. Each recogniser is
a backbone and a linear layer, and reads its own window around that chip.
"""

import math
from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.training.backbones import BACKBONES, RGB_MEAN, Affine, make_features, parts_of

AVERAGE_POSE = (0.79, 0.0, 0.0, 0.0)  # of the aligned chip
# Weights of the measured pose in a mean with a fixed one. Scale and rotation are measured badly if a face is turned or
# covered, and recognisers tolerate a fixed error in them better than a random one. Chosen as in docs/recognisers.md.
TRUST = (0.5, 0.7, 1.0, 1.0)
UNTRUSTING_POSE = (0.72, 0.0, 0.0, 0.0)


class Localiser(nn.Module):
    """Find the aligned chip in a crop."""

    trust: Tensor
    untrusting: Tensor

    def __init__(self, norm: type[nn.Module] = nn.BatchNorm2d):
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for out, stride in ((24, 2), (48, 2), (64, 1), (96, 2), (96, 1), (128, 2)):
            layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), norm(out), nn.ReLU(inplace=True)]
            channels = out
        self.features = nn.Sequential(*layers)
        hidden, pose = nn.Linear(3200, 128), nn.Linear(128, 4)
        self.head = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(inplace=True), pose)
        nn.init.zeros_(pose.weight)
        with torch.no_grad():
            pose.bias.copy_(torch.tensor(AVERAGE_POSE))
        self.register_buffer("trust", torch.tensor(TRUST), persistent=False)
        self.register_buffer("untrusting", torch.tensor(UNTRUSTING_POSE), persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Map normalised crops `(n, 3, 160, 160)` to the poses `(n, 4)` that recognisers see."""
        return self.measure(crops) * self.trust + self.untrusting * (1 - self.trust)

    def measure(self, crops: Tensor) -> Tensor:
        """Map normalised crops to the poses `(n, 4)` that dlib's landmarks would give."""
        return self.head(self.features(F.avg_pool2d(crops, 2)))


class Recogniser(nn.Module):
    """Describe a straightened face by a vector.

    `norm` is `Affine` for weights whose normalisation is fixed, `nn.BatchNorm2d` to learn it. `grid`, `(s², 3)`, holds
    the pixels of the window that is read, `s` pixels wide.
    """

    grid: Tensor

    def __init__(self, backbone: str = "resnet29", norm: type[nn.Module] = Affine):
        super().__init__()
        kind = BACKBONES[backbone]
        self.window, self.constant, self.share = kind.window, kind.constant, kind.share
        self.register_buffer("grid", kind.window.grid(), persistent=False)
        self.features, channels = make_features(backbone, norm)
        fixed = norm is Affine
        self.head = nn.Linear(channels, kind.descriptor, bias=fixed)
        # keeps the descriptors' variance: else the contrastive loss first draws all faces to one point
        self.spread = nn.Identity() if fixed else nn.BatchNorm1d(kind.descriptor)
        if fixed:
            nn.init.zeros_(self.head.bias)

    def forward(self, chips: Tensor) -> Tensor:
        """Map normalised chips `(n, 3, s, s)`, s the window's size, to descriptors `(n, d)`."""
        return self.spread(self.head(self.features(chips)))


class Recognisers(nn.ModuleList):
    """Recognisers side by side."""

    def __iter__(self) -> Iterator[Recogniser]:
        return cast(Iterator[Recogniser], super().__iter__())


class SiameseNet(nn.Module):
    """Map two crops to two L2-normalised embeddings with shared weights."""

    rgb_mean: Tensor

    def __init__(
        self, recognisers: Iterable[Recogniser] = (), localiser: Localiser | None = None, mirror: bool = False
    ):
        """Join a localiser and recognisers, by default facesim's; with `mirror`, mirror images are described, too."""
        super().__init__()
        self.localiser = localiser or Localiser()
        self.recognisers = Recognisers(recognisers or map(Recogniser, parts_of("facesim")))
        self.mirror = mirror
        self.register_buffer("rgb_mean", torch.tensor(RGB_MEAN).view(3, 1, 1), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embed two batches of crops, each `(n, 160, 160, 3)`, 0..255."""
        return self.embed(first), self.embed(second)

    def embed(self, crops: Tensor, mirror: bool | None = None) -> Tensor:
        """Map crops `(n, 160, 160, 3)`, 0..255 in any type, to unit embeddings `(n, d)`.

        With `mirror`, by default the network's own, a face's descriptor is the mean of its own and its mirror image's.
        """
        return self.embed_with_poses(crops, mirror)[0]

    def embed_with_poses(self, crops: Tensor, mirror: bool | None = None) -> tuple[Tensor, Tensor]:
        """Return the embeddings as `embed` does, and the poses `(n, 4)` of the faces."""
        pixels = self.normalise(crops)
        if not (self.mirror if mirror is None else mirror):
            poses = self.localiser(pixels)
            return self.unite(self.describe(self.straighten(pixels, poses))), poses
        # both in one pass: with two, the exported graph would hold every weight twice once optimised
        both = torch.cat([pixels, pixels.flip(3)])
        poses = self.localiser(both)
        descriptors = self.describe(self.straighten(both, poses))
        means = [part.unflatten(0, (2, -1)).mean(0) for part in descriptors]
        return self.unite(means), poses.unflatten(0, (2, -1))[0]

    def normalise(self, crops: Tensor) -> Tensor:
        """Map crops `(n, 160, 160, 3)`, 0..255, to the networks' input `(n, 3, 160, 160)`, zero for the mean colour."""
        return (crops.permute(0, 3, 1, 2).float() - self.rgb_mean) / 256

    def straighten(self, pixels: Tensor, poses: Tensor) -> list[Tensor]:
        """Sample each recogniser's window `(n, 3, s, s)` around the chips at `poses` `(n, 4)`, black outside crops."""
        black, matrix = -self.rgb_mean / 256, pose_matrix(poses).transpose(1, 2)
        chips = []
        for recogniser in self.recognisers:
            size = recogniser.window.size
            # a matrix product with a constant grid, so that the exported graph leaves the batch size free
            grid = (recogniser.grid @ matrix).view(-1, size, size, 2)
            chips.append(F.grid_sample(pixels - black, grid, align_corners=False) + black)
        return chips

    def describe(self, chips: list[Tensor]) -> list[Tensor]:
        """Map each recogniser's chips to its descriptors `(n, d)`."""
        return [recogniser(part) for recogniser, part in zip(self.recognisers, chips, strict=True)]

    def unite(self, descriptors: list[Tensor]) -> Tensor:
        """Join descriptors to unit embeddings, in which each recogniser has its share of a squared distance."""
        shares = sum(recogniser.share for recogniser in self.recognisers)
        parts = []
        for recogniser, part in zip(self.recognisers, descriptors, strict=True):
            if recogniser.constant:
                part = F.pad(part, (0, 1), value=recogniser.constant)
            parts.append(F.normalize(part) * math.sqrt(recogniser.share / shares))
        return torch.cat(parts, 1)


def pose_matrix(poses: Tensor) -> Tensor:
    """Turn poses (a, b, x, y), `(n, 4)`, into affine matrices `(n, 2, 3)`."""
    a, b, x, y = poses.unbind(1)
    return torch.stack([a, -b, x, b, a, y], 1).view(-1, 2, 3)
