"""Backbones: from a straightened face to features, which the recogniser's last layer turns into a descriptor.

`resnet29` has the architecture of dlib's face recognition ResNet (King 2017), so that it can start from dlib's weights;
`small` is the same with one block a group, a seventh of the work; `mobilefacenet` has its own module; the others are
torchvision's.
"""

from typing import NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from facesim.errors import FaceSimError
from facesim.training.mobilefacenet import FEATURES, MobileFaceFeatures

RGB_MEAN = (122.782, 117.001, 104.298)  # subtracted from pixels 0..255 before they are divided by 256
GROUPS = {  # channels, blocks, whether the first halves the size
    "resnet29": ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True)),
    "small": ((32, 1, False), (64, 1, True), (128, 1, True), (256, 1, True)),
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of pixels 0..1, as torchvision's want
# dlib's descriptors are not normalised, and their length tells faces apart, too. With a constant appended, it survives
# normalisation. Chosen on folds 1-8 of LFW and on Pins.
CONSTANT = 1.5


class Window(NamedTuple):
    """The square that a backbone reads: its size, and its position relative to dlib's chip, −1 to 1 on each axis."""

    size: int = 150  # pixels
    reach: float = 1.0  # half its side
    x: float = 0.0  # its centre
    y: float = 0.0

    def grid(self) -> Tensor:
        """Return the centres of its pixels as (x, y, 1), `(size², 3)`."""
        centres = ((torch.arange(self.size) + 0.5) * 2 / self.size - 1) * self.reach
        rows, columns = torch.meshgrid(centres + self.y, centres + self.x, indexing="ij")
        return torch.stack([columns, rows, torch.ones_like(rows)], -1).reshape(-1, 3)


class Backbone(NamedTuple):
    """The properties of a recogniser, besides its network."""

    window: Window = Window()
    descriptor: int = 128  # numbers
    constant: float = CONSTANT  # appended to the descriptor; 0 for none
    share: float = 1.0  # of the squared distance, relative to other recognisers


BACKBONES = {
    "resnet29": Backbone(share=12.0),
    "mobilefacenet": Backbone(Window(112, 1.1947, -0.0152, -0.3275), 192, 0.0),
    "small": Backbone(),
    "resnet18": Backbone(),
    "mobilenet_v3_small": Backbone(),
}
_PARTS = {"facesim": ("resnet29", "mobilefacenet")}  # backbones that are several side by side


def parts_of(backbone: str) -> tuple[str, ...]:
    """Return the backbones side by side in one: most consist of themselves."""
    return _PARTS.get(backbone, (backbone,))


class Affine(nn.Module):
    """A scale and an offset per channel: batch normalisation with fixed statistics."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


def make_features(backbone: str, norm: type[nn.Module]) -> tuple[nn.Module, int]:
    """Return a network from normalised chips `(n, 3, s, s)` to features `(n, channels)`, and the channels."""
    if backbone == "mobilefacenet":
        return nn.Sequential(_PixelInput((127.5 / 255,) * 3, (128 / 255,) * 3), MobileFaceFeatures()), FEATURES
    if backbone in GROUPS:
        return ResidualFeatures(GROUPS[backbone], norm), GROUPS[backbone][-1][0]
    network = torchvision.models.get_model(backbone, weights=None, norm_layer=norm)
    last = "fc" if hasattr(network, "fc") else "classifier"
    layers = getattr(network, last)
    channels = (layers if isinstance(layers, nn.Linear) else layers[0]).in_features
    setattr(network, last, nn.Identity())
    return nn.Sequential(_PixelInput(IMAGENET_MEAN, IMAGENET_STD), network), channels


def load_imagenet_weights(features: nn.Module, backbone: str) -> None:
    """Fill a torchvision backbone with torchvision's ImageNet weights, from its cache or downloaded.

    Raises FaceSimError if neither works.
    """
    weights = torchvision.models.get_model_weights(backbone).DEFAULT
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        cache = torch.hub.get_dir()
        raise FaceSimError(
            f"{backbone}'s ImageNet weights could not be downloaded ({error}): check the network, or fetch "
            f"{weights.url} by hand into {cache}/checkpoints."
        ) from error
    network = features.get_submodule("1")  # without the classifier
    network.load_state_dict({name: state[name] for name in network.state_dict() if name in state})


class _PixelInput(nn.Module):
    """Turn our normalisation into another: pixels 0..1 minus `mean`, divided by `std`, for each channel."""

    scale: Tensor
    offset: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        ours, theirs, deviation = (torch.tensor(values).view(3, 1, 1) for values in (RGB_MEAN, mean, std))
        self.register_buffer("scale", 256 / 255 / deviation, persistent=False)
        self.register_buffer("offset", (ours / 255 - theirs) / deviation, persistent=False)

    def forward(self, chips: Tensor) -> Tensor:
        return chips * self.scale + self.offset


class ResidualFeatures(nn.Module):
    """Groups of residual blocks after a stem; `resnet29` has 29 convolutions, 5.6 M parameters."""

    def __init__(self, groups: tuple[tuple[int, int, bool], ...], norm: type[nn.Module]):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 7, 2), norm(32), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        blocks: list[Block] = []
        channels_in = 32
        for channels, count, halves in groups:
            for i in range(count):
                blocks.append(Block(channels_in, channels, halves and i == 0, norm))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)

    def forward(self, chips: Tensor) -> Tensor:
        return self.blocks(self.stem(chips)).mean((2, 3))


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut that is padded with zeros where channels or size differ."""

    def __init__(self, channels_in: int, channels: int, halves: bool, norm: type[nn.Module]):
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm2 = norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.halves:
            x = F.avg_pool2d(x, 2)
        return F.relu(_grown(out, x) + _grown(x, out))


def _grown(x: Tensor, other: Tensor) -> Tensor:
    """Pad `x` with zeros at the end of every dimension in which `other` is larger."""
    channels, rows, columns = (max(0, theirs - ours) for ours, theirs in zip(x.shape[1:], other.shape[1:], strict=True))
    return F.pad(x, (0, columns, 0, rows, 0, channels)) if channels or rows or columns else x
