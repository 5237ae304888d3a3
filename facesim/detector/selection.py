"""Select faces of a photo, and cut their crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from facesim.detector.box import SELECTIONS, Box, Face, as_box, box_text, off_centre, overlap
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces, glance, look_closely
from facesim.detector.quality import crop_warnings
from facesim.errors import FaceSimError, NoFaceError
from facesim.photo import Photo, PhotoSource, open_photo
from facesim.pixels import grey_range

BLACK = 16  # of 256 grey levels: as bright as 12-bit values become that are read as 16-bit ones


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face that was compared: its box in the upright photo, and how many faces there are to choose from."""

    photo: str
    box: Box
    face_count: int
    angle: int = 0  # degrees by which the photo has to be turned counter-clockwise for the face to stand upright
    warnings: tuple[str, ...] = ()  # why a verdict on it may be wrong

    def as_dict(self) -> dict[str, Any]:
        """Return the face as JSON has it, its box by its edges."""
        return {
            "photo": self.photo,
            "box": self.box._asdict(),
            "faces": self.face_count,
            "angle": self.angle,
            "warnings": self.warnings,
        }


class EmbeddedPhoto(NamedTuple):
    """The selected faces of one photo, and their embeddings, `(faces, d) float32`."""

    faces: Sequence[FoundFace]
    embeddings: np.ndarray


def cut_faces(
    source: PhotoSource | Photo, selection: str = "largest", box: Sequence[float] | None = None, quick: bool = False
) -> list[tuple[FoundFace, np.ndarray]]:
    """Return the selected faces of a photo, each with its crop, `(160, 160, 3) uint8`.

    The `selection` is "largest" (the main face, as `find_faces` orders them), "centre" (the one nearest to the photo's
    centre) or "all"; a `box` (left, top, right, bottom) selects the face in it instead. With `quick`, the faces are
    those of a `glance`, for a frame of a video.

    Raises FaceSimError when the photo cannot be read or the box lies outside it, NoFaceError when the photo, or the
    box, shows no face.
    """
    if selection not in SELECTIONS:
        raise FaceSimError(f"{selection!r} does not say which face to compare: give {', '.join(SELECTIONS)}.")
    photo = open_photo(source)
    if box is not None:
        box = as_box(box)
        found = _faces_in(photo, box)
        if not found:
            raise _no_face(photo, f"the box {box_text(box)} of {photo.name}", "mark a face in view")
    elif quick:
        found = glance(photo)
    else:
        found = find_faces(photo, small_too=selection != "largest")
    if not found:
        raise _no_face(photo, photo.name, "give a photo in which a face is larger, upright or in view")
    chosen = found
    if selection == "largest":
        chosen = found[:1]
    elif selection == "centre":
        chosen = [min(found, key=lambda face: off_centre(face.box, photo.size))]
    return [_cut(photo, face, len(found)) for face in chosen]


def find_main_face(source: PhotoSource) -> tuple[FoundFace, np.ndarray]:
    """Return a photo's main face and its crop, as `cut_faces` does."""
    return cut_faces(source)[0]


def _cut(photo: Photo, face: Face, face_count: int) -> tuple[FoundFace, np.ndarray]:
    crop = centre_crop(cut_wide_crop(photo, face))
    return FoundFace(photo.name, face.box, face_count, face.angle, crop_warnings(crop, face.box) + photo.warnings), crop


def _no_face(photo: Photo, where: str, remedy: str) -> NoFaceError:
    _, brightest = grey_range(photo.view(1).convert("L"))
    if brightest < BLACK:
        remedy = f"it is nearly black, {brightest} of 255 at most; values of 10 or 12 bits must be scaled to 16"
    return NoFaceError(f"no face was found in {where}: {remedy}.")


def _faces_in(photo: Photo, box: Box) -> list[Face]:
    """Return a list of the face that a box marks, empty where there is none."""
    width, height = photo.size
    if box.side <= 0 or min(box.right, width) <= max(box.left, 0) or min(box.bottom, height) <= max(box.top, 0):
        raise FaceSimError(f"the box {box_text(box)} holds nothing of {photo.name}, which is {width}×{height}.")
    marked = look_closely(photo, box)
    return [max(marked, key=lambda face: overlap(face.box, box))] if marked else []
