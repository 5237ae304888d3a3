import numpy as np
import pytest
from PIL import Image, ImageDraw

from facesim.face import Box, Face, centre_crop, cut_wide_crop, find_faces, off_centre, overlap
from facesim.photo import Photo, open_photo

EYES = {"hopper": ((222, 190), (305, 188)), "collins": ((144, 101), (186, 103))}  # read off the photos by hand


@pytest.fixture(params=EYES)
def portrait(request) -> tuple[Image.Image, np.ndarray]:
    """A photo of one person, and where its two eyes are, (2, 2)."""
    return open_photo(request.getfixturevalue(request.param)).view(), np.array(EYES[request.param])


@pytest.fixture
def head(hopper) -> Image.Image:
    """Grace Hopper's head, 200×200."""
    return open_photo(hopper).view().crop((100, 60, 440, 400)).resize((200, 200))


@pytest.fixture
def views(monkeypatch) -> list[int | None]:
    """The longer sides at which photos are asked for, from here on."""
    asked, view = [], Photo.view

    def spy(photo, longer_side=None):
        asked.append(longer_side)
        return view(photo, longer_side)

    monkeypatch.setattr(Photo, "view", spy)
    return asked


def boxes_in(image: Image.Image) -> list[Box]:
    return [face.box for face in find_faces(open_photo(image))]


def wide_crop(image: Image.Image, face: Face) -> np.ndarray:
    return cut_wide_crop(open_photo(image), face)


def collage(size: tuple[int, int], **pieces: tuple[Image.Image, int, int]) -> Image.Image:
    photo = Image.new("RGB", size, "grey")
    for image, left, top in pieces.values():
        photo.paste(image, (left, top))
    return photo


def shrink(image: Image.Image, scale: float) -> Image.Image:
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def assert_frames(box: Box, eyes: np.ndarray) -> None:
    """A face's box is some 2½ times as wide as the eyes are apart, and has them in its upper half."""
    (left_x, left_y), (right_x, right_y) = eyes
    assert 0.3 < (right_x - left_x) / box.side < 0.55
    assert box.left < left_x < (box.left + box.right) / 2 < right_x < box.right
    assert box.top < min(left_y, right_y) < max(left_y, right_y) < (box.top + box.bottom) / 2


def middle(box: Box) -> tuple[float, float]:
    return (box.left + box.right) / 2, (box.top + box.bottom) / 2


def is_about(box: Box, expected: Box) -> bool:
    apart = np.hypot(*np.subtract(middle(box), middle(expected)))
    return apart < 0.2 * expected.side and 0.75 < box.side / expected.side < 1.33


def turned_box(box: Box, angle: int, size: tuple[int, int], turned_size: tuple[int, int]) -> Box:
    """Return where a box lies when its photo is turned counter-clockwise about its centre."""
    x, y = np.subtract(middle(box), np.divide(size, 2))
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    x, y = np.add((x * cosine + y * sine, y * cosine - x * sine), np.divide(turned_size, 2))
    half = box.side / 2
    return Box(*(round(edge) for edge in (x - half, y - half, x + half, y + half)))


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    return np.abs(one.astype(int) - other).mean()


@pytest.mark.parametrize("enlarged", [1, 4])
def test_the_box_frames_the_face_however_large_the_photo(portrait, enlarged):
    photo, eyes = portrait
    photo = photo.resize((photo.width * enlarged, photo.height * enlarged))
    assert_frames(boxes_in(photo)[0], eyes * enlarged)


@pytest.mark.parametrize("side", [150, 1000])
def test_a_face_that_fills_the_photo_is_found(portrait, side):
    photo, eyes = portrait
    tight = 1.6 * (eyes[1, 0] - eyes[0, 0])  # from cheek to cheek, from brow to lip
    left, top = eyes.mean(axis=0) - (0.5 * tight, 0.29 * tight)
    filled = photo.crop([round(edge) for edge in (left, top, left + tight, top + tight)]).resize((side, side))
    boxes = boxes_in(filled)
    assert len(boxes) == 1
    assert 1 < boxes[0].side / side < 1.6
    assert abs(middle(boxes[0])[0] - side / 2) < 0.12 * side


@pytest.mark.parametrize(("size", "eyes_apart", "place"), [((128, 128), 16, (40, 30)), ((640, 640), 14, (300, 200))])
def test_a_small_face_is_found_in_a_photo_of_any_size(portrait, size, eyes_apart, place):
    photo, eyes = portrait
    scale = eyes_apart / (eyes[1, 0] - eyes[0, 0])  # a face of some 35 pixels
    boxes = boxes_in(collage(size, it=(shrink(photo, scale), *place)))
    assert len(boxes) == 1
    assert_frames(boxes[0], eyes * scale + place)


def test_a_face_under_80_pixels_is_found_in_12_megapixels(portrait):
    photo, eyes = portrait
    scale = 30 / (eyes[1, 0] - eyes[0, 0])
    boxes = boxes_in(collage((4000, 3000), it=(shrink(photo, scale), 2500, 1700)))
    assert len(boxes) == 1
    assert boxes[0].side < 80
    assert_frames(boxes[0], eyes * scale + (2500, 1700))


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_photo_on_its_side_or_its_head_gives_the_same_crop(portrait, angle):
    photo, _ = portrait
    upright = find_faces(open_photo(photo))[0]
    lying = photo.rotate(-angle, expand=True)
    face, *others = find_faces(open_photo(lying))
    assert not others
    assert face.angle == angle
    assert is_about(face.box, turned_box(upright.box, -angle, photo.size, lying.size))
    same = Face(turned_box(upright.box, -angle, photo.size, lying.size), angle)
    assert mean_difference(wide_crop(lying, same), wide_crop(photo, upright)) < 3


@pytest.mark.parametrize("tilt", [-30, -20, 20, 30])
def test_a_tilted_face_is_found(portrait, tilt):
    photo, _ = portrait
    upright = find_faces(open_photo(photo))[0]
    tilted = photo.rotate(-tilt, Image.Resampling.BICUBIC, expand=True)
    face = find_faces(open_photo(tilted))[0]
    assert abs(face.angle - tilt) <= 30
    assert is_about(face.box, turned_box(upright.box, -tilt, photo.size, tilted.size))


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


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_of_faces_as_large_the_central_one_is_the_main_one(head, order):
    places = [(0, 0), (400, 100), (800, 200)]
    pieces = {f"head {i}": (head, *places[i]) for i in order}
    boxes = boxes_in(collage((1000, 400), **pieces))
    assert len(boxes) == 3
    x, y = middle(boxes[0])
    assert 400 < x < 600
    assert 100 < y < 300


def test_a_larger_face_that_the_photos_edge_cuts_is_not_the_main_one(head):
    larger = head.resize((280, 280))
    photo = collage((900, 400), cut=(larger, -80, 60), whole=(head, 250, 100))
    boxes = boxes_in(photo)
    assert len(boxes) == 2
    assert boxes[1].left < 0
    assert boxes[1].side > 1.25 * boxes[0].side
    assert middle(boxes[0])[0] > 250


@pytest.mark.parametrize("left", [0, 600])
def test_a_much_larger_face_is_the_main_one_wherever_it_is(head, left):
    photo = collage((1000, 400), small=(head, 400, 100), large=(head.resize((400, 400)), left, 0))
    photo.paste(head, (400, 100))
    boxes = boxes_in(photo)
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
    assert boxes_in(photo) == []


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_no_face_is_found_in_a_real_photo_of_a_palace_or_a_flower(name):
    datasets = pytest.importorskip("sklearn.datasets")
    assert boxes_in(Image.fromarray(datasets.load_sample_image(name))) == []


@pytest.mark.parametrize(
    "name",
    [
        "Elisabeth_Schumacher_0001",  # frontal, no look is certain of it, most tilts half see it
        "John_Burkett_0001",
        "Joe_Torre_0001",
        "Muammar_Gaddafi_0001",
        "Jon_Stewart_0001",
    ],
)
def test_a_hard_face_of_lfw_is_found(lfw, name):
    path = lfw / name.rpartition("_")[0] / f"{name}.jpg"
    x, y = middle(find_faces(open_photo(path))[0].box)
    assert 90 < x < 160
    assert 90 < y < 160


def test_a_bystander_of_whom_the_detector_is_hardly_sure_is_not_counted(lfw):
    assert len(find_faces(open_photo(lfw / "Tom_Daschle" / "Tom_Daschle_0005.jpg"))) == 1


def test_photos_of_lfw_that_stand_on_their_heads_are_turned(lfw):
    photos = sorted(lfw.glob("*/*_0001.jpg"))[::500]
    turned = 0
    for path in photos:
        upright = open_photo(path).view()
        face = find_faces(open_photo(upright.rotate(180)))[0]
        expected = find_faces(open_photo(upright))[0].box
        turned += face.angle == 180 and is_about(face.box, turned_box(expected, 180, upright.size, upright.size))
    assert turned >= len(photos) - 1


def test_tight_crops_of_pins_are_found_as_large_as_they_are(data_home):
    photos = sorted(data_home.glob("pins/*/*.jpg"))[::60]
    if not photos:
        pytest.skip(f"no Pins in {data_home}")
    found = [(find_faces(photo), photo.size) for photo in map(open_photo, photos)]
    assert sum(not faces for faces, _ in found) <= 1
    assert sum(faces != [] and faces[0].box.side > 0.4 * max(size) for faces, size in found) >= len(photos) - 2


def test_a_large_photo_is_not_opened_finer_than_it_is_looked_at(portrait, tmp_path, views):
    photo, eyes = portrait
    scale = 3000 / photo.height
    photo.resize((round(photo.width * scale), 3000)).save(tmp_path / "large.jpg")
    large = open_photo(tmp_path / "large.jpg")
    face = find_faces(large)[0]
    assert_frames(face.box, eyes * scale)
    assert max(views) <= 640
    views.clear()
    cut_wide_crop(large, face)
    assert len(views) == 1
    assert views[0] == pytest.approx(max(large.size) * 160 / (1.4 * face.box.side), abs=1)


def test_a_crop_cut_from_a_reduced_view_is_that_of_the_whole_photo(portrait, tmp_path):
    photo, _ = portrait
    photo.resize((photo.width * 7, photo.height * 7)).save(tmp_path / "large.jpg", quality=95)
    large = open_photo(tmp_path / "large.jpg")
    face = find_faces(large)[0]
    reduced = cut_wide_crop(large, face)
    assert max(large.view(1).size) < max(large.size)
    assert mean_difference(reduced, wide_crop(open_photo(tmp_path / "large.jpg").view(), face)) < 3


def test_off_centre_grows_with_the_distance_from_the_photos_centre():
    assert off_centre(Box(40, 40, 60, 60), (100, 100)) == 0
    assert off_centre(Box(43, 44, 63, 64), (100, 100)) == 2 * 5


def test_the_overlap_is_the_shared_part_of_the_area_covered_together():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1
    assert overlap(Box(0, 0, 10, 10), Box(20, 20, 30, 30)) == 0


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
