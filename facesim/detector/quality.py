"""Warn about a crop that is too small, too dark, too bright or too blurred for a reliable verdict."""

from typing import NamedTuple

import numpy as np

from facesim.detector.box import Box
from facesim.detector.crop import CROP_SIZE

# Below each limit (for WHITE: above) FNMR + FMR was at least twice that of photos as they are, on LFW's test people and
# on Pins alike, and under 1 % of either set's photos lie there: `python benchmarks/quality.py` prints the figures.
SIDE = 40  # pixels in the photo; errors double between 32 and 24 only, but a tiny face's box may be too large
CONTRAST = 20  # grey levels of 256; no photo of either set has under 41
WHITE = 0.5  # of the face
DETAIL = 0.05  # errors double below 0.1 already, but too many photos lie there
DARK = 64  # grey level; under it a face without contrast is called black

_MIDDLE = slice(CROP_SIZE // 4, CROP_SIZE * 3 // 4)  # of the crop: eyes, nose and mouth, little hair or background
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # as Pillow weighs red, green and blue (ITU-R 601-2)
_WHITE_LEVEL = 250
_LEAST = 8  # pixels of photo in the middle; with fewer there is no face to measure


class Measures(NamedTuple):
    """What is measured in the middle of a crop, where the photo covers it."""

    brightness: float  # mean grey level, 0 to 255
    contrast: float  # grey levels between the 5th and the 95th percentile
    white: float  # share of pixels that are nearly white
    detail: float  # mean squared step from pixel to pixel, in the direction where it is least, by the variance


def crop_warnings(crop: np.ndarray, box: Box) -> tuple[str, ...]:
    """Return why a verdict on a crop may be wrong, each a clause such as "the face is nearly black"; usually none.

    `crop` is `(160, 160, 3) uint8`, `box` the face's in the photo. A small face is not called blurred as well.
    """
    measures, small = crop_measures(crop), box.side < SIDE
    warnings = [f"the face is only {box.side} pixels wide"] if small else []
    if measures.white > WHITE:
        warnings.append("the face is nearly white")
    elif measures.contrast < CONTRAST:
        dark = measures.brightness < DARK
        warnings.append("the face is nearly black" if dark else "the face has hardly any contrast")
    elif measures.detail < DETAIL and not small:
        warnings.append("the face is very blurred")
    return tuple(warnings)


def crop_measures(crop: np.ndarray) -> Measures:
    """Measure a crop, `(160, 160, 3) uint8`; one whose middle the photo does not cover is black."""
    grey = crop[_MIDDLE, _MIDDLE].astype(np.float32) @ _LUMA
    grey = grey[grey.any(axis=1)][:, grey.any(axis=0)]  # without the black beyond the photo's edge
    if min(grey.shape) < _LEAST:
        return Measures(0.0, 0.0, 0.0, 0.0)
    levels = np.sort(grey, axis=None)  # np.percentile would load numpy.ma, which takes longer than a verdict
    low, high = levels[[levels.size * 5 // 100, levels.size * 95 // 100]]
    return Measures(float(grey.mean()), float(high - low), float((grey >= _WHITE_LEVEL).mean()), _detail(grey))


def _detail(grey: np.ndarray) -> float:
    """Return how fast `(h, w)` grey levels change at half their resolution, where noise and compression matter less.

    It is measured across, down and along both diagonals, and the smallest value is returned, so that motion blur shows.
    Divided by the variance, it does not depend on contrast. 0 for an even tone.
    """
    height, width = (side // 2 for side in grey.shape)
    half = grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    variance = float(half.var())
    if variance < 1e-3:  # rounding of an even tone
        return 0.0
    straight = (half[:, 1:] - half[:, :-1], half[1:] - half[:-1])
    diagonal = (half[1:, 1:] - half[:-1, :-1], half[1:, :-1] - half[:-1, 1:])  # twice the square of the distance
    steps = [np.square(step).mean() for step in straight] + [np.square(step).mean() / 2 for step in diagonal]
    return float(min(steps)) / variance
