"""Draw a verdict: both photos with the face's box, the two crops, and the decision."""

import math

from PIL import Image, ImageDraw, ImageFont

from facesim.detector.box import Face
from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.detector.selection import FoundFace
from facesim.drawing.palette import GREEN, INK, PAPER, RED
from facesim.photo import open_photo
from facesim.verifier import Verdict

_HEIGHT, _GAP, _CAPTION = 2 * CROP_SIZE + 12, 12, 64


def draw_verdict(verdict: Verdict) -> Image.Image:
    """Return one picture: photo 1, the two crops one above the other, photo 2, and the verdict below."""
    colour = GREEN if verdict.same else RED
    (photo1, crop1), (photo2, crop2) = (_photo_and_crop(face, colour) for face in (verdict.face1, verdict.face2))
    width = photo1.width + CROP_SIZE + photo2.width + 4 * _GAP
    picture = Image.new("RGB", (max(width, 520), _HEIGHT + 2 * _GAP + _CAPTION), PAPER)
    left = (picture.width - width) // 2 + _GAP
    picture.paste(photo1, (left, _GAP))
    left += photo1.width + _GAP
    picture.paste(crop1, (left, _GAP))
    picture.paste(crop2, (left, _GAP + _HEIGHT - CROP_SIZE))
    picture.paste(photo2, (left + CROP_SIZE + _GAP, _GAP))
    _write_caption(picture, verdict, colour)
    return picture


def _photo_and_crop(face: FoundFace, colour: str) -> tuple[Image.Image, Image.Image]:
    photo = open_photo(face.photo)
    crop = Image.fromarray(centre_crop(cut_wide_crop(photo, Face(face.box, face.angle))))
    width, height = photo.size
    scale = _HEIGHT / height
    shown = photo.view(math.ceil(max(photo.size) * scale)).resize(
        (max(1, min(4 * _HEIGHT, round(width * scale))), _HEIGHT), reducing_gap=2.0
    )
    across = shown.width / width
    box = [edge * factor for edge, factor in zip(face.box, (across, scale, across, scale), strict=True)]
    ImageDraw.Draw(shown).rectangle(box, outline=colour, width=3)
    return shown, crop


def _write_caption(picture: Image.Image, verdict: Verdict, colour: str) -> None:
    draw = ImageDraw.Draw(picture)
    middle, top = picture.width / 2, _HEIGHT + 2 * _GAP
    words = "Same person" if verdict.same else "Different people"
    draw.text((middle, top), words, colour, ImageFont.load_default(26), anchor="mt")
    numbers = f"distance {verdict.distance:.3f}, threshold {verdict.threshold:.3f}, probability that it is one person "
    numbers += verdict.probability_text
    draw.text((middle, top + 34), numbers, INK, ImageFont.load_default(15), anchor="mt")
