"""The Siamese network: a localiser that straightens the crop, then a recogniser, with shared weights.

The localiser is a spatial transformer (Jaderberg et al. 2015): four numbers (a, b, x, y) say where in the 160×160
crop the aligned chip lies, c = [[a, −b], [b, a]]·q + (x, y) with q and c in −1..1 from edge to edge. The recogniser
is one of the backbones and a linear layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.training.backbones import RGB_MEAN, Affine, make_features

CHIP_SIZE = 150  # pixels, the straightened face that the recogniser reads
DESCRIPTOR_SIZE = 128
# dlib's weights give unnormalised descriptors, whose length tells faces apart too; beside a constant it survives
# normalisation. Chosen on folds 1-8 of LFW and on Pins.
CONSTANT = 1.5
UNTRAINED_POSE = (0.79, 0.0, 0.0, 0.0)  # the average aligned chip


class Localiser(nn.Module):
    """Find the aligned chip in a crop."""

    def __init__(self, norm: type[nn.Module] = nn.BatchNorm2d):
        super().__init__()
        layers, channels = [], 3
        for out, stride in ((24, 2), (48, 2), (64, 1), (96, 2), (96, 1), (128, 2)):
            layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), norm(out), nn.ReLU(inplace=True)]
            channels = out
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(3200, 128), nn.ReLU(inplace=True), nn.Linear(128, 4))
        nn.init.zeros_(self.head[-1].weight)
        with torch.no_grad():
            self.head[-1].bias.copy_(torch.tensor(UNTRAINED_POSE))

    def forward(self, crops: Tensor) -> Tensor:
        """Map normalised crops `(n, 3, 160, 160)` to poses `(n, 4)`."""
        return self.head(self.features(F.avg_pool2d(crops, 2)))


class Recogniser(nn.Module):
    """Map aligned chips to 128 numbers.

    `norm` is `Affine` to take over weights whose normalisation is fixed, `nn.BatchNorm2d` to learn it.
    """

    def __init__(self, backbone: str = "facesim", norm: type[nn.Module] = Affine):
        super().__init__()
        self.features, channels = make_features(backbone, norm)
        fixed = norm is Affine
        self.head = nn.Linear(channels, DESCRIPTOR_SIZE, bias=fixed)
        # descriptors with a fixed spread: else the contrastive loss first draws all faces to one point
        self.spread = nn.Identity() if fixed else nn.BatchNorm1d(DESCRIPTOR_SIZE)
        if fixed:
            nn.init.zeros_(self.head.bias)

    def forward(self, chips: Tensor) -> Tensor:
        """Map normalised chips `(n, 3, 150, 150)` to descriptors `(n, 128)`."""
        return self.spread(self.head(self.features(chips)))


class SiameseNet(nn.Module):
    """Map two crops to two L2-normalised embeddings with shared weights."""

    def __init__(self, recogniser: Recogniser | None = None, localiser: Localiser | None = None):
        super().__init__()
        self.localiser = localiser or Localiser()
        self.recogniser = recogniser or Recogniser()
        centres = (torch.arange(CHIP_SIZE) + 0.5) * 2 / CHIP_SIZE - 1
        rows, columns = torch.meshgrid(centres, centres, indexing="ij")
        base = torch.stack([columns, rows, torch.ones_like(rows)], -1).reshape(-1, 3)
        self.register_buffer("chip_grid", base, persistent=False)
        self.register_buffer("rgb_mean", torch.tensor(RGB_MEAN).view(3, 1, 1), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Embed two batches of crops, each `(n, 160, 160, 3)`, 0..255."""
        return self.embed(first), self.embed(second)

    def embed(self, crops: Tensor) -> Tensor:
        """Map crops `(n, 160, 160, 3)`, 0..255 in any type, to unit embeddings `(n, 129)`.

        A face and its mirror image are described, and the mean of the two counts.
        """
        pixels = self.normalise(crops)
        # one pass over both: in two, the exported graph would hold every weight twice once optimised
        descriptors = self.describe(torch.cat([pixels, pixels.flip(3)]))
        return to_unit(descriptors.unflatten(0, (2, -1)).mean(0))

    def describe(self, pixels: Tensor) -> Tensor:
        """Map normalised crops `(n, 3, 160, 160)` to descriptors `(n, 128)`, looking at them once."""
        return self.recogniser(self.straighten(pixels, self.localiser(pixels)))

    def normalise(self, crops: Tensor) -> Tensor:
        """Map crops `(n, 160, 160, 3)`, 0..255, to the networks' input `(n, 3, 160, 160)`, zero for mean grey."""
        return (crops.permute(0, 3, 1, 2).float() - self.rgb_mean) / 256

    def straighten(self, pixels: Tensor, poses: Tensor) -> Tensor:
        """Sample the chips `(n, 3, 150, 150)` that `poses` `(n, 4)` point at; black where they leave the crop."""
        black = -self.rgb_mean / 256
        # a matrix product with a constant grid, so that the exported graph leaves the batch size free
        grid = (self.chip_grid @ pose_matrix(poses).transpose(1, 2)).view(-1, CHIP_SIZE, CHIP_SIZE, 2)
        return F.grid_sample(pixels - black, grid, align_corners=False) + black


def to_unit(descriptors: Tensor) -> Tensor:
    """Set `CONSTANT` beside descriptors `(n, 128)` and scale the whole to unit length, `(n, 129)`."""
    return F.normalize(F.pad(descriptors, (0, 1), value=CONSTANT))


def pose_matrix(poses: Tensor) -> Tensor:
    """Turn poses (a, b, x, y), `(n, 4)`, into affine matrices `(n, 2, 3)`."""
    a, b, x, y = poses.unbind(1)
    return torch.stack([a, -b, x, b, a, y], 1).view(-1, 2, 3)
