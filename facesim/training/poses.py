"""Poses: where the aligned chip is, as complex numbers.

A similarity of the plane is z ↦ scale·z + shift with complex scale and shift, so that maps compose by arithmetic.
Coordinates run from −1 to 1 between the edges of the square that they are measured in.
"""

import math
from dataclasses import dataclass
from typing import Any

import dlib
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from facesim.data.cache import WideCrops
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE, WIDE_CROP_SIZE
from facesim.training.backbones import Window
from facesim.training.dlib_files import LANDMARK_FILE, find_dlib_file

CHIP_SIZE = Window().size
CHIP_PADDING = 0.25  # dlib's own, that its recogniser was trained with


@dataclass(frozen=True, slots=True)
class Similarity:
    """z ↦ scale·z + shift; both are complex tensors of one shape."""

    scale: Tensor
    shift: Tensor

    def after(self, inner: "Similarity") -> "Similarity":
        return Similarity(self.scale * inner.scale, self.scale * inner.shift + self.shift)

    def inverse(self) -> "Similarity":
        return Similarity(1 / self.scale, -self.shift / self.scale)

    def mirrored(self) -> "Similarity":
        """Return the same map between the mirrored planes: x becomes −x in both."""
        return Similarity(self.scale.conj(), -self.shift.conj())

    def __getitem__(self, index: Any) -> "Similarity":
        return Similarity(self.scale[index], self.shift[index])

    def as_pose(self) -> Tensor:
        """Return the localiser's four numbers (a, b, x, y), `(n, 4)`."""
        return torch.stack([self.scale.real, self.scale.imag, self.shift.real, self.shift.imag], -1).float()


def random_similarity(
    count: int, log_scale: float, degrees: Tensor | float, shift: float, random: torch.Generator
) -> Similarity:
    """Draw `count` maps, uniform within ±`log_scale`, ±`degrees` and ±`shift` in each direction."""

    def uniform() -> Tensor:
        return torch.rand(count, generator=random) * 2 - 1

    angle = uniform() * torch.as_tensor(degrees) * (math.pi / 180)
    return Similarity(torch.polar(torch.exp(uniform() * log_scale), angle), torch.complex(uniform(), uniform()) * shift)


def aligned_chips(wide_crops: WideCrops, photos: np.ndarray) -> Similarity:
    """Find the chips that dlib's five landmarks would cut: maps from each chip into its wide crop, `(n,)`.

    `photos`, `(n,)`, are indices into `wide_crops`.
    """
    predictor = dlib.shape_predictor(str(find_dlib_file(LANDMARK_FILE)))
    half = WIDE_CROP_SIZE / 2
    reach = CROP_SIZE / (1 + 2 * CROP_MARGIN) / 2
    box = dlib.rectangle(*(round(half + edge) for edge in (-reach, -reach, reach, reach)))
    maps = np.empty((len(photos), 2), np.complex64)
    for row, photo in enumerate(tqdm(photos, "aligning", unit="face", disable=None)):
        landmarks = predictor(np.ascontiguousarray(wide_crops[photo]), box)
        chip = dlib.get_face_chip_details(landmarks, CHIP_SIZE, CHIP_PADDING)
        centre = chip.rect.dcenter()
        width = chip.rect.width() / 2 / half
        maps[row] = width * np.exp(1j * chip.angle), complex(centre.x + 0.5, centre.y + 0.5) / half - (1 + 1j)
    return Similarity(*torch.from_numpy(maps.T.copy()))
