import numpy as np
import pytest
from pictures import mean_difference, turned_box, wide_crop
from PIL import Image, ImageDraw

from facesim.detector.box import Box, Face
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.photo import open_photo


@pytest.mark.parametrize("angle", [-30, -20, 20, 30])
def test_the_crop_of_a_tilted_face_is_turned_upright(portrait, angle):
    photo, _ = portrait
    upright = find_faces(open_photo(photo))[0]
    tilted = photo.rotate(-angle, Image.Resampling.BICUBIC, expand=True)
    face = Face(turned_box(upright.box, -angle, photo.size, tilted.size), angle)
    expected = centre_crop(wide_crop(photo, upright))
    assert mean_difference(centre_crop(wide_crop(tilted, face)), expected) < 6
    assert mean_difference(centre_crop(wide_crop(tilted, face._replace(angle=0))), expected) > 15


@pytest.mark.parametrize("angle", [-30, 20])
def test_turning_leaves_no_black_corner_in_the_crop(angle):
    white = Image.new("RGB", (1000, 1000), "white")
    wide = wide_crop(white, Face(Box(400, 400, 600, 600), angle))
    assert (wide[0, 0] == 0).all()
    assert (centre_crop(wide) == 255).all()


def test_a_crop_cut_from_a_reduced_view_is_that_of_the_whole_photo(portrait, tmp_path):
    photo, _ = portrait
    photo.resize((photo.width * 7, photo.height * 7)).save(tmp_path / "large.jpg", quality=95)
    large = open_photo(tmp_path / "large.jpg")
    face = find_faces(large)[0]
    reduced = cut_wide_crop(large, face)
    assert max(large.view(1).size) < max(large.size)
    assert mean_difference(reduced, wide_crop(open_photo(tmp_path / "large.jpg").view(), face)) < 3


@pytest.mark.parametrize(
    "box",
    [
        Box(200, 150, 314, 264),
        Box(100, 100, 300, 300),
        Box(200, 150, 360, 250),
        Box(200, 150, 270, 330),
        Box(0, 0, 120, 120),
        Box(-30, 60, 130, 220),
        Box(400, 300, 520, 420),
        Box(-50, -50, 550, 450),
    ],
    ids=["as it is", "reduced", "wide", "tall", "in a corner", "over the left edge", "over a corner", "all and more"],
)
def test_the_crop_is_the_box_widened_by_a_fifth_on_each_side_and_black_beyond_the_photo(box):
    photo = Image.new("RGB", (500, 400), (90, 120, 60))
    ImageDraw.Draw(photo).rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=(250, 220, 180))
    crop = centre_crop(cut_wide_crop(open_photo(photo), Face(box)))

    side = 1.4 * max(box.right - box.left, box.bottom - box.top)
    pixel = side / 160
    x = (box.left + box.right - side) / 2 + (np.arange(160) + 0.5) * pixel  # the middles of the crop's columns
    y = (box.top + box.bottom - side) / 2 + (np.arange(160) + 0.5) * pixel
    in_photo = np.outer((y > 0) & (y < 400), (x > 0) & (x < 500))
    in_box = np.outer((y > box.top) & (y < box.bottom), (x > box.left) & (x < box.right))
    expected = np.where(in_box[..., None], (250, 220, 180), (90, 120, 60)) * in_photo[..., None]

    rows = np.abs(y[:, None] - (0, 400, box.top, box.bottom)).min(axis=1) > 3 * pixel  # resizing blurs the edges
    columns = np.abs(x[:, None] - (0, 500, box.left, box.right)).min(axis=1) > 3 * pixel
    clear = np.ix_(rows, columns)
    assert np.abs(crop[clear].astype(int) - expected[clear]).max() <= 2
    assert in_box[clear].any()


def test_the_box_takes_the_middle_five_sevenths_of_the_crop_to_a_third_of_a_pixel():
    photo = np.zeros((400, 500, 3), np.uint8)
    photo[150:264, 200:314] = 180
    wide = cut_wide_crop(open_photo(photo), Face(Box(200, 150, 314, 264)))
    painted = centre_crop(wide)[80, :, 0] / 180
    assert painted.sum() == pytest.approx(160 * 5 / 7, abs=1 / 3)
    assert painted @ np.arange(160) / painted.sum() == pytest.approx(79.5, abs=1 / 3)


def test_the_crop_is_the_middle_of_the_wide_crop_alone_or_in_a_batch():
    wide = np.arange(2 * 252 * 252 * 3).reshape(2, 252, 252, 3)
    crops = centre_crop(wide)
    assert crops.shape == (2, 160, 160, 3)
    assert (crops == wide[:, 46:206, 46:206]).all()
    assert (centre_crop(wide[1]) == crops[1]).all()


def test_the_wide_crop_is_what_training_and_the_cache_expect(hopper):
    photo = open_photo(hopper)
    wide = cut_wide_crop(photo, find_faces(photo)[0])
    assert wide.shape == (252, 252, 3)
    assert wide.dtype == np.uint8
