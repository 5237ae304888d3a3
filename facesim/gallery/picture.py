"""Draw who is on a photo, and groups of faces."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.drawing.palette import GREEN, INK, PAPER, RED, name_font
from facesim.errors import FaceSimError
from facesim.gallery.identify import Identified
from facesim.gallery.rows import FaceRow
from facesim.photo import PhotoSource, open_photo
from facesim.text import pluralise, printable, shortened

_LONGER_SIDE = 1600  # pixels, of a drawn photo
_MAX_SHOWN = 8  # faces of a group
_MAX_GROUPS = 100
_MAX_TITLE = 16  # letters
_SIDE, _GAP, _LABEL_WIDTH = CROP_SIZE // 2, 8, 110
_STEP = _SIDE + _GAP


def draw_identified(photo: PhotoSource, faces: Sequence[Identified]) -> Image.Image:
    """Return the photo with a box around each face, green and with the name where it is known, red elsewhere."""
    opened = open_photo(photo)
    picture = opened.view(_LONGER_SIDE).copy()
    picture.thumbnail((_LONGER_SIDE, _LONGER_SIDE))
    scale = max(picture.size) / max(opened.size)
    draw, size = ImageDraw.Draw(picture), max(12, max(picture.size) // 50)
    for face in faces:
        left, top, right, bottom = (edge * scale for edge in face.face.box)
        colour = GREEN if face.name else RED
        draw.rectangle((left, top, right, bottom), outline=colour, width=max(2, size // 6))
        label = printable(face.name or "unknown") + (f" {face.nearest.distance:.3f}" if face.nearest else "")
        font = name_font(size)
        corner = min(max(0, left), max(0, picture.width - font.getlength(label))), min(bottom, picture.height - size)
        draw.rectangle(draw.textbbox(corner, label, font), fill=colour)
        draw.text(corner, label, PAPER, font)
    return picture


def draw_groups(groups: Sequence[Sequence[FaceRow]], names: Sequence[str | None] = ()) -> Image.Image:
    """Return a row of up to 8 faces for each of up to 100 groups of several, and one row for the faces alone.

    A group that has a name in `names` is drawn with it, whatever its size; others have their numbers.
    """
    named = [*zip(names, groups, strict=False), *((None, group) for group in groups[len(names) :])]
    alone = [row for name, group in named if not name and len(group) == 1 for row in group]
    rows = [
        (shortened(name or f"group {number}", _MAX_TITLE), group)
        for number, (name, group) in enumerate(named, 1)
        if name or len(group) > 1
    ][:_MAX_GROUPS]
    rows += [("alone", alone)] if alone else []
    columns = max((min(len(faces), _MAX_SHOWN) for _, faces in rows), default=1)
    picture = Image.new("RGB", (_LABEL_WIDTH + columns * _STEP + _GAP, max(1, len(rows)) * _STEP + _GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    for number, (title, faces) in enumerate(rows):
        top = _GAP + number * _STEP
        draw.text((_GAP, top + _SIDE // 4), f"{title}\n{pluralise(len(faces), 'face')}", INK, name_font(12))
        for column, row in enumerate(faces[:_MAX_SHOWN]):
            picture.paste(_face(row), (_LABEL_WIDTH + column * _STEP, top))
    return picture


def _face(row: FaceRow) -> Image.Image:
    try:
        crop = centre_crop(cut_wide_crop(open_photo(row.photo), row.face))
    except FaceSimError:  # the photo has gone since it was embedded
        return Image.new("RGB", (_SIDE, _SIDE), "grey")
    return Image.fromarray(crop).resize((_SIDE, _SIDE))
