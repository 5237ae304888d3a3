"""What a recogniser reads: the position of the face in its input, and the format of the pixels.

A position is a complex number, x + iy, in pixels from the centre of the first: a similarity is `scale · z + offset`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from facesim.errors import FaceSimError

CHIP_SIZE = 150  # pixels, of dlib's aligned chip, which the localiser finds
HALF = 0.5 + 0.5j  # from a pixel's corner to its centre
CHANNELS = ("rgb", "bgr")
LANDMARKS = 5  # both eyes, the nose, both corners of the mouth


class Template(NamedTuple):
    """The position of a face in a recogniser's input: its pixel z is the aligned chip's pixel `scale · z + offset`."""

    scale: complex
    offset: complex
    size: int | None = None  # of the square input that it is for; None if it fits the recogniser's own

    def resized(self, size: int) -> "Template":
        """Return the same template for a square input of `size` pixels."""
        if self.size in (None, size):
            return self
        ratio = self.size / size
        return Template(self.scale * ratio, self.offset + self.scale * (ratio - 1) * HALF, size)

    def grid(self, width: int, height: int) -> np.ndarray:
        """Return the grid to sample, `(4, height · width · 2)`: poses `(n, 4)` times it are (x, y) in −1..1."""
        rows, columns = np.mgrid[:height, :width]
        chip = self.scale * (columns + 1j * rows).ravel() + self.offset
        chip = (chip + HALF) * 2 / CHIP_SIZE - (1 + 1j)  # −1..1 from edge to edge
        ones = np.ones_like(chip)
        # a pose (a, b, x, y) puts q at (a + ib) · q + (x + iy)
        return np.stack([chip, 1j * chip, ones, 1j * ones]).astype(np.complex64).view(np.float32)


# Measured on LFW: the template's pixel (55.9, 51.6) lies at the chip's (74, 47.1), and is 1.4926 times as wide.
ARCFACE = Template(1.4926, 74 + 47.1j - 1.4926 * (55.9 + 51.6j), 112)
ARCFACE_POINTS = (38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j)


def template_of_points(points: tuple[complex, ...]) -> Template:
    """Return the template of a recogniser whose faces have eyes, nose and corners of the mouth at `points`.

    It is the least-squares similarity to ArcFace's five points (Umeyama 1991), then ArcFace's own position in the chip.

    Raises FaceSimError if they are not five distinct points.
    """
    if len(points) != LANDMARKS or len(set(points)) < LANDMARKS:
        raise FaceSimError("a template takes five distinct points: both eyes, the nose, both corners of the mouth.")
    ours, theirs = np.array(points), np.array(ARCFACE_POINTS)
    spread, other = ours - ours.mean(), theirs - theirs.mean()
    scale = complex(np.vdot(spread, other) / np.vdot(spread, spread))
    offset = complex(theirs.mean() - scale * ours.mean())
    return Template(ARCFACE.scale * scale, ARCFACE.scale * offset + ARCFACE.offset)


@dataclass(frozen=True, slots=True)
class FaceInput:
    """What a recogniser reads: (pixel − mean) · scale, one number for all channels or one for each, in its order."""

    template: Template = ARCFACE
    channels: str = "rgb"
    mean: tuple[float, ...] = (127.5,)
    scale: tuple[float, ...] = (1 / 128,)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can store it."""
        template = {name: [value.real, value.imag] for name, value in self.template._asdict().items() if name != "size"}
        return dataclasses.asdict(self) | {"template": template}


# Intel's template, from the page of face-reidentification-retail-0095 in the Open Model Zoo: shares of the input's side
_SHARES = (
    *(0.31556875 + 0.46157411j, 0.68262292 + 0.46157411j, 0.5002625 + 0.64050536j),
    *(0.34947188 + 0.82469196j, 0.65343646 + 0.82469196j),
)
FACE_INPUTS = {  # by the template's name
    "arcface": FaceInput(),
    "sface": FaceInput(mean=(0.0,), scale=(1.0,)),  # OpenCV's SFace normalises inside its graph
    "openmodelzoo": FaceInput(
        template_of_points(tuple(128 * share for share in _SHARES))._replace(size=128), "bgr", (0.0,), (1.0,)
    ),
    # sirius-ai's MobileFaceNet: the best of thirteen windows tried on LFW, a little wider and higher than ArcFace's
    "sirius": FaceInput(Template(1.6, 74 + 43.7j - 1.6 * (55.9 + 51.6j), 112)),
    "dlib": FaceInput(Template(1.0, 0.0, CHIP_SIZE), "rgb", (122.782, 117.001, 104.298), (1 / 256,)),
}
