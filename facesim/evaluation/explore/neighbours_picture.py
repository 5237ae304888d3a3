"""Draw a face and its neighbours."""

import numpy as np
from PIL import Image, ImageDraw

from facesim.detector.crop import CROP_SIZE, centre_crop
from facesim.drawing.palette import GREEN, GREY, INK, PAPER, RED, name_font
from facesim.evaluation.explore.neighbours import PhotoNeighbours
from facesim.text import printable

COLUMNS = 5  # neighbours in a row
_FRAME, _GAP, _CAPTION = 4, 8, 38
_WIDTH = CROP_SIZE + 2 * _FRAME + _GAP
_HEIGHT = CROP_SIZE + 2 * _FRAME + _GAP + _CAPTION
_FRAMES = {True: GREEN, False: RED, None: GREY}


def draw_neighbours(found: PhotoNeighbours) -> Image.Image:
    """Return the query's crop, and right of it its neighbours' with distance and verdict, nearest first, five in a row.

    The frame says whether the identity is the query's: green if so, red if not, grey where either is not known.
    """
    count = len(found.neighbours.indices)
    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    picture = Image.new("RGB", ((columns + 1) * _WIDTH + 4 * _GAP, rows * _HEIGHT + _GAP), PAPER)
    _draw_face(picture, (_GAP, _GAP), found.query_crop, INK, "query", found.query_identity)
    for i, (photo, distance, same, name, right) in enumerate(
        zip(
            found.neighbours.indices, found.neighbours.distances, found.same, found.identities, found.right, strict=True
        )
    ):
        row, column = divmod(i, COLUMNS)
        place = (4 * _GAP + (column + 1) * _WIDTH, _GAP + row * _HEIGHT)
        words = f"{distance:.3f}, {'same' if same else 'different'}"
        _draw_face(picture, place, centre_crop(found.crops.wide[photo]), _FRAMES[right], words, name)
    return picture


def _draw_face(
    picture: Image.Image, place: tuple[int, int], crop: np.ndarray, colour: str, words: str, name: str
) -> None:
    left, top = place
    draw = ImageDraw.Draw(picture)
    side = CROP_SIZE + 2 * _FRAME
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=colour)
    picture.paste(Image.fromarray(crop), (left + _FRAME, top + _FRAME))
    draw.text((left, top + side + 3), words, INK, name_font(13))
    name, font = printable(name) or "unknown", name_font(11)
    if font.getlength(name) > side:
        while font.getlength(f"{name}…") > side:
            name = name[:-1]
        name += "…"
    draw.text((left, top + side + 20), name, INK, font)
