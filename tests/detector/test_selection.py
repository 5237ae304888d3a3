import numpy as np
import pytest
from PIL import Image

from facesim.detector.box import Box, overlap
from facesim.detector.selection import cut_faces
from facesim.errors import FaceSimError, NoFaceError
from facesim.photo import open_photo

HOPPER = Box(161, 137, 377, 353)


def box_of(photo, box: Box) -> Box:
    ((found, crop),) = cut_faces(photo, box=box)
    assert crop.shape == (160, 160, 3)
    return found.box


@pytest.mark.parametrize(
    "box",
    [
        HOPPER,
        Box(120, 100, 400, 380),
        Box(100, 50, 450, 450),
        Box(220, 160, 330, 300),
        Box(60, 0, 480, 600),
        Box(-(10**6), -9, 10**6, 9**6),
    ],
    ids=["framed", "loose", "with hair", "eyes and mouth", "head and shoulders", "more than the photo"],
)
def test_a_box_finds_the_face_that_it_marks(hopper, box):
    assert overlap(box_of(hopper, box), HOPPER) > 0.65


def test_a_box_chooses_among_faces(both):
    assert box_of(both, Box(100, 80, 420, 400)).right < 512
    assert box_of(both, Box(600, 60, 750, 200)).left > 512


@pytest.mark.parametrize("box", [Box(0, 0, 90, 90), Box(20, 500, 90, 570), Box(400, 420, 510, 590), Box(3, 3, 5, 5)])
def test_a_box_on_the_background_holds_no_face(hopper, refuses, box):
    with refuses(hopper, NoFaceError) as caught:
        cut_faces(hopper, box=box)
    assert f"{box.left},{box.top}," in str(caught.value)


@pytest.mark.parametrize(("orientation", "turned"), [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)])
def test_a_box_lies_in_the_upright_photo(hopper, tmp_path, orientation, turned):
    stored, exif = Image.open(hopper).transpose(turned), Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    ((found, _),) = cut_faces(tmp_path / "turned.jpg", box=HOPPER)
    assert overlap(found.box, HOPPER) > 0.7
    assert found.angle == 0


def test_a_neighbour_is_not_taken_for_the_face_in_the_box(hopper):
    head = open_photo(hopper).view().crop((100, 60, 440, 400)).resize((200, 200))
    pair = Image.new("RGB", (400, 200))
    pair.paste(head, (0, 0))
    pair.paste(head.rotate(180), (200, 0))
    ((found, _),) = cut_faces(pair, box=Box(220, 20, 380, 180))
    assert found.box.left > 200
    assert found.angle == 180


def test_a_box_in_a_long_strip_lies_where_it_is_said(hopper):
    head = open_photo(hopper).view().crop((100, 60, 440, 400))
    strip = Image.new("RGB", (341, 12_000), "grey")
    strip.paste(head, (0, 11_000))
    ((found, _),) = cut_faces(strip, box=Box(0, 11_000, 341, 11_341))
    assert overlap(found.box, Box(61, 11_077, 277, 11_293)) > 0.7


def test_a_box_in_a_photo_of_hardly_any_height_holds_no_face():
    with pytest.raises(NoFaceError):
        cut_faces(Image.new("RGB", (20_000, 30)), box=Box(0, 0, 20_000, 30))


def test_the_corners_of_photos_hold_no_face(lfw):
    """A bystander's face may lie in one."""
    photos = sorted(lfw.glob("*/*_0001.jpg"))[::90]
    found = 0
    for path in photos:
        try:
            found += len(cut_faces(path, box=Box(0, 0, 60, 60)))
        except NoFaceError:
            continue
    assert found <= 0.05 * len(photos)


def test_a_box_beyond_the_photo_is_refused(hopper, refuses):
    with refuses(hopper):
        cut_faces(hopper, box=Box(600, 0, 700, 100))


def test_an_unknown_choice_is_refused(hopper):
    with pytest.raises(FaceSimError, match="largest, centre, all"):
        cut_faces(hopper, selection="smallest")


def test_a_photo_without_a_face_says_so(faceless, refuses):
    with refuses(faceless, NoFaceError):
        cut_faces(faceless)


def test_the_central_face_may_be_a_small_one(both):
    photo = np.asarray(open_photo(both).view())
    wide = Image.new("RGB", (1400, 600), "grey")
    wide.paste(Image.fromarray(photo), (0, 0))
    ((largest, _),) = cut_faces(wide)
    ((central, _),) = cut_faces(wide, selection="centre")
    assert largest.box.right < 512 < central.box.left
    assert len(cut_faces(wide, selection="all")) == 2


def test_of_a_photo_of_10_bits_in_16_it_is_said_that_it_is_dark(hopper):
    grey = np.asarray(Image.open(hopper).convert("L"), np.uint16)
    ten_bits, sixteen = (Image.fromarray(grey * scale) for scale in (4, 257))
    with pytest.raises(NoFaceError, match="nearly black, 4 of 255 at most; values of 10 or 12 bits must be scaled"):
        cut_faces(ten_bits)
    assert cut_faces(sixteen)


def test_a_face_in_a_jpeg_without_its_end_says_so(hopper):
    ((found, _),) = cut_faces(hopper.read_bytes()[:-2])
    assert found.warnings == ("its file lacks the end",)
