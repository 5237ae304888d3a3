import numpy as np
import pytest
from pictures import assert_frames, boxes_in, collage, is_about, mean_difference, middle, shrink, turned_box, wide_crop
from PIL import Image

from facesim.detector import finding, ladder
from facesim.detector.box import Box, Face, overlap
from facesim.detector.cnn import cnn_windows, distinct, face_in
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find, find_faces, look_closely
from facesim.detector.ladder import NEAR
from facesim.photo import open_photo


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
    photo = collage((1000, 400), large=(head.resize((400, 400)), left, 0), small=(head, 400, 100))
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
        turned += abs(face.angle - 180) <= 30 and is_about(
            face.box, turned_box(expected, 180, upright.size, upright.size)
        )
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


def test_a_large_face_that_hog_does_not_see_is_the_main_one_beside_a_small_one_that_it_does(hopper, collins):
    large = shrink(open_photo(hopper).view().rotate(55, Image.Resampling.BICUBIC), 0.75)
    small = open_photo(collins).view().crop((75, 35, 255, 215))
    main, other = find_faces(open_photo(collage((640, 450), large=(large, 0, 0), small=(small, 440, 200))))
    assert middle(main.box)[0] < 384 < 440 < middle(other.box)[0]
    assert main.box.side > 1.5 * other.box.side
    assert abs(main.angle + 55 - 360) <= 30


def test_small_faces_are_found_beside_a_large_one_when_they_are_asked_for(hopper, collins):
    small = shrink(open_photo(collins).view(), 0.5)  # a face of 44 pixels
    photo = open_photo(collage((1000, 600), large=(open_photo(hopper).view(), 0, 0), small=(small, 750, 200)))
    assert len(find_faces(photo)) == 1
    main, other = find_faces(photo, small_too=True)
    assert main.box.side > 3 * other.box.side


def test_a_face_of_40_pixels_is_found_in_1280(portrait):
    photo, eyes = portrait
    scale = 16 / (eyes[1, 0] - eyes[0, 0])
    (box,) = boxes_in(collage((1280, 960), it=(shrink(photo, scale), 700, 300)))
    assert box.side <= 45
    assert_frames(box, eyes * scale + (700, 300))


def test_who_asks_where_no_face_is_looked_for_gets_none(faceless):
    assert find(open_photo(faceless)) == ([], "nothing")
    assert look_closely(open_photo(faceless), Box(50, 50, 100, 100)) == []


@pytest.mark.parametrize(
    ("photos", "most"),
    [("hard/*/*.jpg", 0.01), ("poses/*/profile_*.jpg", 0.03), ("poses/*/frontal_*.jpg", 0)],
)
def test_hard_faces_and_profiles_are_found(data_home, photos, most):
    paths = sorted(data_home.glob(photos))[::4]
    if not paths:
        pytest.skip(f"no {photos} in {data_home}")
    assert sum(not find_faces(open_photo(path)) for path in paths) <= most * len(paths)


def test_both_detectors_give_a_face_the_same_crop(data_home, model):
    """Nearer to each other than either is to itself with a box one step of HOG's pyramid larger."""
    paths = sorted(data_home.glob("london/*/*.jpg"))[::7]
    if not paths:
        pytest.skip(f"no London set in {data_home}")
    crops = []
    for photo in map(open_photo, paths):
        (hog,) = find_faces(photo)
        box, step = hog.box, round(hog.box.side / 10)
        larger = Box(box.left - step, box.top - step, box.right + step, box.bottom + step)
        cnn = face_in(photo, max(distinct(cnn_windows(photo, NEAR.sides))))
        assert cnn.angle == 0
        crops += [centre_crop(cut_wide_crop(photo, Face(box))) for box in (hog.box, cnn.box, larger)]
    hogs, cnns, largers = model.embed(np.stack(crops)).reshape(-1, 3, model.embedding_size).swapaxes(0, 1)
    between = np.linalg.norm(hogs - cnns, axis=1).mean()
    assert between < np.linalg.norm(hogs - largers, axis=1).mean()
    assert between < model.info.threshold / 5


def test_a_face_that_hog_half_sees_ends_the_search_where_the_cnn_sees_it_in_its_box(hopper, monkeypatch):
    photo = open_photo(hopper)
    (face,) = find_faces(photo)
    half_seen = [face._replace(score=0.2)]
    monkeypatch.setattr(finding, "hog_look", lambda *_, **__: half_seen)
    with monkeypatch.context() as patch:
        patch.setattr(ladder, "climb", lambda *_: pytest.fail("the CNN searched the whole photo"))
        assert find(photo) == (half_seen, "both")
    with_small_ones, found_by = find(photo, small_too=True)
    assert found_by == "far"
    assert with_small_ones[0] == half_seen[0]


def test_a_face_that_hog_half_sees_does_not_end_the_search_where_the_cnn_sees_none_in_its_box(hopper, monkeypatch):
    photo = open_photo(hopper)
    (face,) = find_faces(photo)
    (width, height), side = photo.size, face.box.side
    aside = Box(width - side, height - side, width, height)  # her uniform
    monkeypatch.setattr(finding, "hog_look", lambda *_, **__: [Face(aside, 0, 0.2)])
    found, found_by = find(photo)
    assert found_by == "near"
    assert overlap(found[0].box, face.box) > 0.6


def test_a_face_that_hog_hardly_sees_does_not_end_the_search_as_the_main_one(monkeypatch):
    seen = [Face(Box(0, 0, 90, 90), 0, 1.5), Face(Box(245, 165, 395, 315), 0, 0.12)]
    monkeypatch.setattr(finding, "hog_look", lambda *_, **__: seen)
    faces, found_by = find(open_photo(Image.new("RGB", (640, 480), "grey")))
    assert found_by != "HOG"
    assert faces == seen[:1]


def test_the_cnn_needs_only_small_sizes_where_a_face_fills_the_photo(portrait, monkeypatch):
    photo, eyes = portrait
    apart = eyes[1, 0] - eyes[0, 0]
    left, top = eyes.mean(axis=0) - (0.8 * apart, 0.45 * apart)
    tight = photo.crop([round(edge) for edge in (left, top, left + 1.6 * apart, top + 1.6 * apart)])
    looked = []
    look = ladder.cnn_windows
    monkeypatch.setattr(finding, "hog_look", lambda *_, **__: [])
    monkeypatch.setattr(
        ladder, "cnn_windows", lambda photo, sides, angle: looked.extend(sides) or look(photo, sides, angle)
    )
    assert len(find_faces(open_photo(tight))) == 1
    assert sorted(looked) == sorted(NEAR.steps[0])
