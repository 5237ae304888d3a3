"""Augmentation: cut a crop out of its wide crop as another detection, camera or day might have."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from facesim.detector.crop import CROP_MARGIN, CROP_SIZE, WIDE_CROP_SIZE
from facesim.training.network import pose_matrix
from facesim.training.poses import Similarity, random_similarity

_CROP_IN_WIDE = CROP_SIZE / WIDE_CROP_SIZE
_BOX_IN_CROP = 1 / (1 + 2 * CROP_MARGIN)


def augment(wide_crops: Tensor, random: torch.Generator, strength: float = 1.0) -> tuple[Tensor, "Placement"]:
    """Cut a random crop, `(n, 160, 160, 3)` 0..255, out of each wide crop, `(n, 252, 252, 3) uint8`.

    The box moves by ±15 % and scales by e^±0.25; the head turns by ±15°, one in five by ±40°; half are mirrored; two in
    five lose up to 25 % of one side to the photo's edge; one in three is reduced to 32 pixels or more; gamma, contrast,
    brightness and colour change; one in seven is grey. `strength`, 0 to 1, scales everything but the mirroring.
    """
    count = len(wide_crops)
    degrees = torch.where(_chance(0.2, count, random), 40.0, 15.0) * strength
    move = random_similarity(count, 0.25 * strength, degrees, 2 * 0.15 * _BOX_IN_CROP * strength, random)
    placement = Placement(move, _chance(0.5, count, random))
    crops = F.grid_sample(wide_crops.permute(0, 3, 1, 2).float(), placement.grid(), align_corners=False)
    crops = _recolour(_reduce(crops, random, strength), random, strength) * _photo_edge(count, random, strength)
    return crops.permute(0, 2, 3, 1), placement


class Placement:
    """Where random crops are in their wide crops: a similarity, and for some a mirror."""

    def __init__(self, move: Similarity, mirrored: Tensor):
        self._to_wide = Similarity(move.scale * _CROP_IN_WIDE, move.shift * _CROP_IN_WIDE)
        self._mirrored = mirrored

    def grid(self) -> Tensor:
        """Return the position in the wide crop of each pixel of the crop, `(n, 160, 160, 2)`."""
        matrix = pose_matrix(self._to_wide.as_pose())
        matrix[:, :, 0] *= torch.where(self._mirrored, -1.0, 1.0)[:, None]
        return F.affine_grid(matrix, [len(matrix), 3, CROP_SIZE, CROP_SIZE], align_corners=False)

    def carry(self, chips: Similarity) -> Similarity:
        """Turn maps from chip to wide crop into maps from (mirrored) chip to (mirrored) crop."""
        straight = self._to_wide.inverse().after(chips)
        mirrored = straight.mirrored()
        return Similarity(
            torch.where(self._mirrored, mirrored.scale, straight.scale),
            torch.where(self._mirrored, mirrored.shift, straight.shift),
        )


def _spread(count: int, reach: float, random: torch.Generator) -> Tensor:
    """Return `count` numbers, uniform within ±`reach`, `(n, 1, 1, 1)`."""
    return (torch.rand(count, 1, 1, 1, generator=random) * 2 - 1) * reach


def _chance(share: float, count: int, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) < share


def _reduce(crops: Tensor, random: torch.Generator, strength: float) -> Tensor:
    """Shrink one in three crops to 32–128 pixels and enlarge it again."""
    for i in _chance(strength / 3, len(crops), random).nonzero().flatten():
        size = int(32 * math.exp(math.log(4) * torch.rand(1, generator=random).item()))
        small = F.interpolate(crops[i, None], (size, size), mode="bilinear", antialias=True)
        crops[i] = F.interpolate(small, (CROP_SIZE, CROP_SIZE), mode="bilinear")[0]
    return crops


def _recolour(crops: Tensor, random: torch.Generator, strength: float) -> Tensor:
    count = len(crops)
    crops = (crops / 255).clamp_(1e-4, 1) ** _spread(count, 0.5 * strength, random).exp()
    contrast, brightness = _spread(count, 0.4 * strength, random).exp(), _spread(count, 0.15 * strength, random)
    cast = (_spread(3 * count, 0.15 * strength, random).view(count, 3, 1, 1)).exp()
    mean = crops.mean((1, 2, 3), keepdim=True)
    crops = ((crops - mean).mul_(contrast).add_(mean + brightness)).mul_(cast)
    grey = _chance(strength / 7, count, random)
    crops[grey] = crops[grey].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    return crops.mul_(255).clamp_(0, 255)


def _photo_edge(count: int, random: torch.Generator, strength: float) -> Tensor:
    """Return masks `(n, 1, 160, 160)`: zero in two of five crops, up to 25 % past one edge of the photo."""
    masks = torch.ones(count, 1, CROP_SIZE, CROP_SIZE)
    for i in _chance(0.4 * strength, count, random).nonzero().flatten():
        beyond = int(torch.randint(0, CROP_SIZE // 4, (), generator=random))
        side = int(torch.randint(0, 4, (), generator=random))
        edge = slice(0, beyond) if side < 2 else slice(CROP_SIZE - beyond, CROP_SIZE)
        masks[i, 0].transpose(0, side % 2)[edge] = 0
    return masks
