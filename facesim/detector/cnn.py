"""dlib's CNN face detector (max-margin object detection: King 2015): finds profiles, and covered, dark or tilted faces.

Its network scores windows of 80×80 pixels, one every eight pixels. It recognises faces of 72 to 96 pixels, so it runs
on a photo in several sizes.
"""

import functools
import math
import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnxruntime
from PIL import Image

from facesim.cores import cores
from facesim.detector.box import Box, Face
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE, cut_wide_crop
from facesim.detector.shipped import shipped_file
from facesim.errors import FaceSimError
from facesim.photo import Photo
from facesim.pixels import fitted_size, resampling, resized

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

WINDOW = 80  # pixels
MIDDLE_SIZE = 84  # pixels, of the faces that it recognises
STRIDE = 8  # pixels from one window to the next
FIRST_CENTRE = 14.5  # pixels from an image's edge to the centre of its first window, after three 5×5 convolutions
NEUTRAL = (123, 117, 104)  # the network's mean colour, zero to its layers: a border of black hides faces at the edge
BORDER = 48  # pixels of it around each image
MAX_TILE = 960  # pixels, the side of the largest image that the network runs on at once, at 50 bytes a pixel
MIN_SCORE = -0.4  # of a large upright face; of 1,520 pieces of photos without a face, none scores over -0.59

MAX_FACES = 500  # on one photo
SAME_WINDOW = 0.5  # overlap of windows that are averaged into a face: the mean is finer than their grid
ONE_FACE = 0.3  # overlap of windows of which only the better one is kept
SHIFT_RIGHT, SHIFT_DOWN = 0.03, 0.07  # of its side, from a window to HOG's box of the same face, which is as large

TURNS = 8  # rotations at which a face is scored to measure its angle
LEVEL = 20  # degrees from a quarter turn within which a face counts as not tilted


class Window(NamedTuple):
    """A window that shows a face: its score, and its centre and side in pixels of the upright photo."""

    score: float
    x: float
    y: float
    side: float

    def box(self, angle: int = 0) -> Box:
        """Return the box that HOG would draw of the face, which has to be turned by `angle` to stand upright."""
        sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
        x = self.x + self.side * (SHIFT_RIGHT * cosine - SHIFT_DOWN * sine)
        y = self.y + self.side * (SHIFT_RIGHT * sine + SHIFT_DOWN * cosine)
        return _box(x, y, self.side)


def cnn_windows(photo: Photo, sides: Iterable[float], angle: int = 0) -> list[Window]:
    """Return the windows that show a face in a photo turned by `angle` degrees, a multiple of 90, counter-clockwise.

    The network runs, on all cores, on the photo resized to each of `sides`, the pixels of its longer side.

    Raises FaceSimError when the photo cannot be read, or the network's file is damaged.
    """
    sides = sorted(sides, reverse=True)
    if not sides:
        return []
    image = photo.view(math.ceil(sides[0]))
    if max(image.size) > 2 * sides[0]:
        image = resized(image, sides[0])
    if angle:
        image = image.rotate(angle, expand=True)
    _session()  # an error is raised here, before the work is shared out
    tiles = [tile for side in sides for tile in _tiles(fitted_size(image.size, side))]
    windows = []
    for tile, scores in zip(tiles, _workers(os.getpid()).map(lambda tile: _scan(image, tile), tiles), strict=True):
        scale = max(photo.size) / max(tile.size)  # pixels of the photo in one of the resized image
        for row, column in zip(*np.nonzero(scores >= MIN_SCORE), strict=True):
            x = STRIDE * column + FIRST_CENTRE - BORDER + tile.box[0] - tile.size[0] / 2
            y = STRIDE * row + FIRST_CENTRE - BORDER + tile.box[1] - tile.size[1] / 2
            for _ in range(angle // 90):
                x, y = -y, x
            centre = (float(x * scale + photo.size[0] / 2), float(y * scale + photo.size[1] / 2))
            windows.append(Window(float(scores[row, column]), *centre, WINDOW * scale))
    return windows


def distinct(windows: Iterable[Window]) -> list[Window]:
    """Return one window for each face, the best first, at most `MAX_FACES`.

    It is the mean of the windows that show the face, weighted by their scores, and has the best one's score.
    """
    faces: list[Window] = []
    left = np.array(sorted(windows, reverse=True)).reshape(-1, len(Window._fields))
    while len(left) and len(faces) < MAX_FACES:
        of_best = _overlaps(left, left[0])
        face = _mean(left[of_best >= SAME_WINDOW])
        left = left[np.maximum(of_best, _overlaps(left, face)) < ONE_FACE]
        faces.append(Window(*face.tolist()))
    return faces


def score_in(photo: Photo, box: Box) -> float:
    """Return how the network scores a face that HOG sees in a box; at another size, it may score it higher.

    Raises FaceSimError when the photo cannot be read.
    """
    return float(_scores_in(photo, box, (0,), MIDDLE_SIZE)[0])


def face_in(photo: Photo, window: Window) -> Face:
    """Return the face that a window shows: its box, and the angle to turn it by.

    The network scores a face as high when it is tilted, so the angle is the mean of those at which it sees the face.

    Raises FaceSimError when the photo cannot be read.
    """
    angle = _angle(photo, window)
    return Face(window.box(angle), angle, window.score, "cnn")


class _Tile(NamedTuple):
    """A part of an image resized to `size`, small enough for the network to run on at once."""

    size: tuple[int, int]
    box: tuple[int, int, int, int]  # of the resized image: left, top, right, bottom


def _tiles(size: tuple[int, int]) -> list[_Tile]:
    columns, rows = (_parts(edge) for edge in size)
    return [_Tile(size, (left, top, right, bottom)) for top, bottom in rows for left, right in columns]


def _parts(length: int) -> list[tuple[int, int]]:
    count = math.ceil(length / MAX_TILE)
    return list(pairwise(length * i // count for i in range(count + 1)))


def _scan(image: Image.Image, tile: _Tile) -> np.ndarray:
    """Return the scores of the windows of a tile, and of those up to `BORDER` beyond it."""
    (width, height), (left, top, right, bottom) = tile
    reach = (max(0, left - BORDER), max(0, top - BORDER), min(width, right + BORDER), min(height, bottom + BORDER))
    shown = (reach[2] - reach[0], reach[3] - reach[1])
    across, down = image.width / width, image.height / height
    seen = (reach[0] * across, reach[1] * down, reach[2] * across, reach[3] * down)
    part = image.resize(shown, resampling(1 / across), seen, reducing_gap=2.0)
    bordered = Image.new("RGB", (right - left + 2 * BORDER, bottom - top + 2 * BORDER), NEUTRAL)
    bordered.paste(part, (reach[0] - left + BORDER, reach[1] - top + BORDER))
    return _scores(np.asarray(bordered)[None])[0]


def _angle(photo: Photo, window: Window) -> int:
    """Return the degrees, -45 to 314, to turn a face counter-clockwise for it to stand upright.

    That is 0, or another quarter turn, where it is off by less than `LEVEL`.
    """
    angles = [360 * turn // TURNS for turn in range(TURNS)]
    scores = _scores_in(photo, _box(window.x, window.y, window.side), angles, WINDOW)
    seen = np.maximum(scores - MIN_SCORE, 0)
    angle = round(math.degrees(np.angle(seen @ np.exp(1j * np.radians(angles)))))
    quarter = 90 * round(angle / 90)
    return ((quarter if abs(angle - quarter) < LEVEL else angle) + 45) % 360 - 45


def _scores_in(photo: Photo, box: Box, angles: Sequence[int], face_size: int) -> np.ndarray:
    """Return the best score of the windows about a box's centre, at each angle: `(angles,)`.

    The photo is resized so that the box has `face_size` pixels.
    """
    patch = Image.fromarray(cut_wide_crop(photo, Face(box), NEUTRAL))
    side = round(patch.width * face_size * (1 + 2 * CROP_MARGIN) / CROP_SIZE)
    turned = [patch.rotate(angle, Image.Resampling.BILINEAR, fillcolor=NEUTRAL) for angle in angles]
    scores = _scores(np.stack([np.asarray(one.resize((side, side), resampling(side / patch.width))) for one in turned]))
    middle = (side / 2 - FIRST_CENTRE) / STRIDE
    centre = slice(math.floor(middle) - 1, math.ceil(middle) + 2)
    return scores[:, centre, centre].max(axis=(1, 2))


def _box(x: float, y: float, side: float) -> Box:
    return Box(*(round(edge) for edge in (x - side / 2, y - side / 2, x + side / 2, y + side / 2)))


def _mean(windows: np.ndarray) -> np.ndarray:
    """Return the middle of windows `(n, 4)`, the best first: `(4,)`."""
    weights = windows[:, 0] - MIN_SCORE + 1e-6
    x, y, log_side = weights @ np.column_stack([windows[:, 1:3], np.log(windows[:, 3])]) / weights.sum()
    return np.array([windows[0, 0], x, y, np.exp(log_side)])


def _overlaps(windows: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Return, as `overlap` does of boxes, the area that each of windows `(n, 4)` shares with one: `(n,)`."""
    reach = (windows[:, 3:] + one[3]) / 2 - np.abs(windows[:, 1:3] - one[1:3])
    shared = np.clip(reach, 0, np.minimum(windows[:, 3:], one[3])).prod(axis=1)
    return shared / (windows[:, 3] ** 2 + one[3] ** 2 - shared)


def _scores(images: np.ndarray) -> np.ndarray:
    """Return the scores of the windows in images `(n, h, w, 3) uint8`: `(n, rows, columns) float32`."""
    return _session().run(None, {"pixels": images})[0][:, 0]


@functools.cache
def _session() -> onnxruntime.InferenceSession:
    """Return the network, loaded when it is first needed; several threads may run it at once.

    It stays on the CPU: its images have many sizes, and for each, cuDNN would plan it anew.
    """
    path = shipped_file("cnn.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # each tile has a core
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class for every kind of trouble
        raise FaceSimError(f"{path} cannot be loaded: install facesim again.") from error


@functools.cache
def _workers(process: int) -> "ThreadPoolExecutor":
    """Return the threads that share a photo's tiles; after a fork, the new process has its own."""
    from concurrent.futures import ThreadPoolExecutor  # not needed where HOG suffices

    return ThreadPoolExecutor(cores())
