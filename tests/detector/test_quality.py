import warnings

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesim.detector.box import Box
from facesim.detector.quality import SIDE, crop_warnings
from facesim.detector.selection import find_main_face

LARGE = Box(0, 0, 200, 200)
BLACK, WHITE, FLAT, BLURRED = (
    ("the face is nearly black",),
    ("the face is nearly white",),
    ("the face has hardly any contrast",),
    ("the face is very blurred",),
)


@pytest.fixture(params=["hopper", "collins"])
def portrait(request) -> Image.Image:
    return Image.open(request.getfixturevalue(request.param)).convert("RGB")


def warnings_of(photo: Image.Image) -> tuple[str, ...]:
    face, crop = find_main_face(photo)
    return crop_warnings(crop, face.box)


def worse(photo: Image.Image, change) -> tuple[str, ...]:
    """Warn of a portrait's crop after `change`, an image to an image: in so bad a photo the face might not be found."""
    face, crop = find_main_face(photo)
    return crop_warnings(np.asarray(change(Image.fromarray(crop))), face.box)


def test_a_portrait_gives_no_warning(portrait):
    assert warnings_of(portrait) == ()


@pytest.mark.parametrize(
    ("little", "much", "expected"),
    [
        (lambda level: level / 3, lambda level: level / 16, BLACK),
        (lambda level: level * 1.2, lambda level: level * 6, WHITE),
        (lambda level: 128 + (level - 128) / 3, lambda level: 128 + (level - 128) / 16, FLAT),
    ],
    ids=["dark", "bright", "flat"],
)
def test_levels_too_low_too_high_or_too_alike_are_named(portrait, little, much, expected):
    assert worse(portrait, lambda crop: crop.point(little)) == ()
    assert worse(portrait, lambda crop: crop.point(much)) == expected


def test_blur_is_named(portrait):
    assert worse(portrait, lambda crop: crop.filter(ImageFilter.GaussianBlur(1))) == ()
    assert worse(portrait, lambda crop: crop.filter(ImageFilter.GaussianBlur(6))) == BLURRED


def test_blur_does_not_follow_contrast(portrait):
    pale = portrait.point(lambda level: 100 + level / 3)
    assert warnings_of(pale) == ()
    assert worse(pale, lambda crop: crop.filter(ImageFilter.GaussianBlur(6))) == BLURRED


@pytest.mark.parametrize("direction", [(0, 1), (1, 0), (1, 1), (1, -1)], ids=["across", "down", "falling", "rising"])
def test_a_shaken_cameras_blur_is_named_in_every_direction(portrait, direction):
    def shaken(crop):
        levels = np.asarray(crop, float)
        moved = [np.roll(levels, [step * i for step in direction], (0, 1)) for i in range(-15, 16)]
        return Image.fromarray(np.mean(moved, axis=0).astype(np.uint8))

    assert worse(portrait, shaken) == BLURRED


def test_a_small_face_is_named_with_its_size_and_not_called_blurred_too(portrait):
    face, _ = find_main_face(portrait)
    small = portrait.resize([round(side * 32 / face.box.side) for side in portrait.size])
    found, crop = find_main_face(small)
    assert found.box.side < SIDE
    assert crop_warnings(crop, found.box) == (f"the face is only {found.box.side} pixels wide",)
    blurred = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(6)))
    assert crop_warnings(blurred, LARGE) == BLURRED
    assert crop_warnings(blurred, found.box) == crop_warnings(crop, found.box)


def test_the_size_limit_itself_is_large_enough(hopper):
    _, crop = find_main_face(hopper)
    assert crop_warnings(crop, Box(0, 0, SIDE, SIDE)) == ()
    assert crop_warnings(crop, Box(0, 0, SIDE - 1, SIDE - 1)) == (f"the face is only {SIDE - 1} pixels wide",)


def test_a_small_dark_face_has_two_reasons(hopper):
    _, crop = find_main_face(hopper)
    assert crop_warnings(crop // 16, Box(0, 0, 31, 31)) == ("the face is only 31 pixels wide", *BLACK)


@pytest.mark.parametrize("edge", [np.s_[:70], np.s_[:, :70], np.s_[90:], np.s_[:, 90:]], ids=str)
def test_black_beyond_the_photos_edge_is_not_judged(portrait, edge):
    _, crop = find_main_face(portrait)
    for change, expected in ((crop, ()), (crop // 16, BLACK), (np.maximum(crop, 252), WHITE)):
        cut = change.copy()
        cut[edge] = 0
        assert crop_warnings(cut, LARGE) == expected


@pytest.mark.parametrize(("level", "expected"), [(0, BLACK), (3, BLACK), (128, FLAT), (255, WHITE)])
def test_a_crop_of_one_level_gives_one_warning_and_no_error(level, expected):
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert crop_warnings(np.full((160, 160, 3), level, np.uint8), LARGE) == expected


@pytest.mark.parametrize("lit", [1, 2, 3, 9])
def test_a_crop_with_hardly_a_photo_in_it_gives_a_warning(lit):
    crop = np.zeros((160, 160, 3), np.uint8)
    crop[78 : 78 + lit, 78 : 78 + lit] = np.random.default_rng(0).integers(1, 256, (lit, lit, 3))
    with np.errstate(all="raise"):
        result = crop_warnings(crop, LARGE)
    assert result == (BLACK if lit < 8 else ())
