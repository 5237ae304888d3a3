import numpy as np
import pytest
from PIL import Image, ImageDraw

from facesim.face import Box, centre_crop, cut_wide_crop, find_faces
from facesim.photo import open_photo

EYES = {"hopper": ((222, 190), (305, 188)), "collins": ((144, 101), (186, 103))}  # read off the photos by hand


@pytest.fixture(params=EYES)
def portrait(request) -> tuple[Image.Image, np.ndarray]:
    """A photo of one person, and where its two eyes are, (2, 2)."""
    return open_photo(request.getfixturevalue(request.param)), np.array(EYES[request.param])


@pytest.fixture
def head(hopper) -> Image.Image:
    """Grace Hopper's head, 200×200."""
    return open_photo(hopper).crop((100, 60, 440, 400)).resize((200, 200))


def collage(size: tuple[int, int], **pieces: tuple[Image.Image, int, int]) -> Image.Image:
    photo = Image.new("RGB", size, "grey")
    for image, left, top in pieces.values():
        photo.paste(image, (left, top))
    return photo


def assert_frames(box: Box, eyes: np.ndarray) -> None:
    """A face's box is some 2½ times as wide as the eyes are apart, and has them in its upper half."""
    (left_x, left_y), (right_x, right_y) = eyes
    assert 0.3 < (right_x - left_x) / box.side < 0.55
    assert box.left < left_x < (box.left + box.right) / 2 < right_x < box.right
    assert box.top < min(left_y, right_y) < max(left_y, right_y) < (box.top + box.bottom) / 2


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2, (box.top + box.bottom) / 2


@pytest.mark.parametrize("enlarged", [1, 4])
def test_the_box_frames_the_face_however_large_the_photo(portrait, enlarged):
    photo, eyes = portrait
    photo = photo.resize((photo.width * enlarged, photo.height * enlarged))
    assert_frames(find_faces(photo)[0], eyes * enlarged)


@pytest.mark.parametrize("side", [150, 1000])
def test_a_face_that_fills_the_photo_is_found(portrait, side):
    photo, eyes = portrait
    tight = 1.6 * (eyes[1, 0] - eyes[0, 0])  # from cheek to cheek, from brow to lip
    left, top = eyes.mean(axis=0) - (0.5 * tight, 0.29 * tight)
    filled = photo.crop([round(edge) for edge in (left, top, left + tight, top + tight)]).resize((side, side))
    boxes = find_faces(filled)
    assert len(boxes) == 1
    assert 1 < boxes[0].side / side < 1.6
    assert abs(middle(boxes[0])[0] - side / 2) < 0.12 * side


def test_a_small_face_in_a_larger_photo_is_found(portrait):
    photo, eyes = portrait
    scale = 14 / (eyes[1, 0] - eyes[0, 0])  # a face of some 35 pixels
    small = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
    assert_frames(find_faces(collage((640, 640), it=(small, 300, 200)))[0], eyes * scale + (300, 200))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_of_faces_as_large_the_central_one_is_the_main_one(head, order):
    places = [(0, 0), (400, 100), (800, 200)]
    pieces = {f"head {i}": (head, *places[i]) for i in order}
    boxes = find_faces(collage((1000, 400), **pieces))
    assert len(boxes) == 3
    x, y = middle(boxes[0])
    assert 400 < x < 600
    assert 100 < y < 300


def test_a_larger_face_that_the_photos_edge_cuts_is_not_the_main_one(head):
    larger = head.resize((280, 280))
    photo = collage((900, 400), cut=(larger, -80, 60), whole=(head, 250, 100))
    boxes = find_faces(photo)
    assert len(boxes) == 2
    assert boxes[1].left < 0
    assert boxes[1].side > 1.25 * boxes[0].side
    assert middle(boxes[0])[0] > 250


@pytest.mark.parametrize("left", [0, 600])
def test_a_much_larger_face_is_the_main_one_wherever_it_is(head, left):
    photo = collage((1000, 400), small=(head, 400, 100), large=(head.resize((400, 400)), left, 0))
    photo.paste(head, (400, 100))
    boxes = find_faces(photo)
    assert len(boxes) == 2
    assert boxes[0].side > 1.5 * boxes[1].side


@pytest.mark.parametrize(
    "photo",
    [
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8)),
        Image.new("RGB", (250, 250), "black"),
        Image.new("RGB", (250, 250), "white"),
        Image.linear_gradient("L").convert("RGB"),
        Image.new("RGB", (1, 1), "grey"),
        Image.new("RGB", (3000, 1), "grey"),
        Image.new("RGB", (2, 3000), "grey"),
    ],
    ids=["noise", "black", "white", "gradient", "a pixel", "a row", "two columns"],
)
def test_where_there_is_no_face_none_is_found(photo):
    assert find_faces(photo) == []


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
    crop = centre_crop(cut_wide_crop(photo, box))

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
    painted = centre_crop(cut_wide_crop(Image.fromarray(photo), Box(200, 150, 314, 264)))[80, :, 0] / 180
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
