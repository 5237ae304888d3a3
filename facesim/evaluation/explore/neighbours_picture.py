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
    """Return the query's crop, and to its right its neighbours with distance and verdict, nearest first, five in a row.

    The frame is green where the identity is the query's, red where it is not, and grey where either is unknown.
    """
    count = len(found.neighbours.indices)
    columns, rows = min(count, COLUMNS), -(-count // COLUMNS)
    picture = Image.new("RGB", ((columns + 1) * _WIDTH + 4 * _GAP, rows * _HEIGHT + _GAP), PAPER)
    _draw_face(picture, (_GAP, _GAP), found.query_crop, INK, "query", found.query_identity)
    for i, neighbour in enumerate(found.ranked()):
        row, column = divmod(i, COLUMNS)
        corner = (4 * _GAP + (column + 1) * _WIDTH, _GAP + row * _HEIGHT)
        crop, colour = centre_crop(found.crops.wide[neighbour.photo]), _FRAMES[neighbour.same_identity]
        caption = f"{neighbour.distance:.3f}, {'same' if neighbour.same else 'different'}"
        _draw_face(picture, corner, crop, colour, caption, neighbour.identity)
    return picture


def _draw_face(
    picture: Image.Image, corner: tuple[int, int], crop: np.ndarray, colour: str, caption: str, name: str
) -> None:
    left, top = corner
    draw = ImageDraw.Draw(picture)
    side = CROP_SIZE + 2 * _FRAME
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=colour)
    picture.paste(Image.fromarray(crop), (left + _FRAME, top + _FRAME))
    draw.text((left, top + side + 3), caption, INK, name_font(13))
    name, font = printable(name) or "unknown", name_font(11)
    if font.getlength(name) > side:
        while font.getlength(f"{name}…") > side:
            name = name[:-1]
        name += "…"
    draw.text((left, top + side + 20), name, INK, font)
