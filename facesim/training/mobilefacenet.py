"""MobileFaceNet (Chen et al. 2018): a small network for faces, of 1.0 M parameters here."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# of each group: channels inside its first block, inside the others, and between blocks; how many others there are
GROUPS = ((128, 128, 64, 4), (256, 256, 128, 6), (512, 256, 128, 2))
FEATURES = 512


class PReLU(nn.Module):
    """A ReLU with a learned slope below zero for each channel.

    Written as a sum, which takes ONNX Runtime half the time of its PRelu.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels, 1, 1), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x) * (1 - self.slope) + x * self.slope


class MobileFaceFeatures(nn.Module):
    """Bottleneck blocks between a stem and a depthwise convolution over the whole map, with normalisation folded in.

    A convolution of stride 2 is padded on the right and below, as in TensorFlow.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(3, 64, 3, 2),
            PReLU(64),
            nn.Conv2d(64, 64, 3, 1, 1, groups=64),
            PReLU(64),
            nn.Conv2d(64, 64, 1),
        )
        blocks, channels = [], 64
        for first, other, out, count in GROUPS:
            blocks.append(Bottleneck(channels, first, out, 2))
            blocks += [Bottleneck(out, other, out, 1) for _ in range(count)]
            channels = out
        self.blocks = nn.Sequential(*blocks)
        self.tail = nn.Sequential(
            nn.Conv2d(channels, FEATURES, 1), PReLU(FEATURES), nn.Conv2d(FEATURES, FEATURES, 7, groups=FEATURES)
        )

    def forward(self, chips: Tensor) -> Tensor:
        """Map chips `(n, 3, 112, 112)`, −1..1, to features `(n, 512)`."""
        return self.tail(self.blocks(self.stem(chips))).flatten(1)


class Bottleneck(nn.Module):
    """Widen, convolve each channel by itself, narrow; the input is added if it has the size of the output."""

    def __init__(self, channels: int, inside: int, out: int, stride: int):
        super().__init__()
        self.residual = stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(channels, inside, 1),
            PReLU(inside),
            nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else 1),
            nn.Conv2d(inside, inside, 3, stride, groups=inside),
            PReLU(inside),
            nn.Conv2d(inside, out, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)
