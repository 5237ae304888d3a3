import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageColor

from facesim.detector.box import Face
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.drawing.verdict import draw_verdict
from facesim.photo import open_photo


def count(picture: Image.Image, colour: str) -> int:
    return int((np.asarray(picture) == ImageColor.getrgb(colour)).all(axis=-1).sum())


def contains(picture: Image.Image, part: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(picture), part.shape)
    starts = np.argwhere((windows[:, :, 0, 0, 0] == part[0, 0]).all(axis=-1))
    return any(np.array_equal(windows[row, column, 0], part) for row, column in starts)


def test_the_picture_holds_both_crops_and_the_verdicts_colour(verifier, hopper, collins):
    verdict = verifier.verify(hopper, collins)
    picture = draw_verdict(verdict)
    assert picture.mode == "RGB"
    for face in (verdict.face1, verdict.face2):
        assert contains(picture, centre_crop(cut_wide_crop(open_photo(face.photo), Face(face.box))))
    agreeing = draw_verdict(dataclasses.replace(verdict, same=True))
    assert count(agreeing, "#1a7f37") > 1000 > 50 > count(agreeing, "#c62828")
    assert count(picture, "#c62828") > 1000 > 50 > count(picture, "#1a7f37")


@pytest.mark.parametrize("size", [(6000, 300), (300, 3000), (250, 250)])
def test_the_picture_stays_of_a_size_to_look_at(verifier, tmp_path, hopper, size):
    photo = Image.new("RGB", size, "grey")
    photo.paste(open_photo(hopper).view().crop((100, 60, 440, 400)).resize((250, 250)))
    photo.save(tmp_path / "odd.png")
    picture = draw_verdict(verifier.verify(tmp_path / "odd.png", hopper))
    assert 500 < picture.width < 2500
    assert 300 < picture.height < 600
