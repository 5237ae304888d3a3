import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from facesim import pixels
from facesim.errors import FaceSimError
from facesim.photo import open_photo

QUARTERS = np.array([[(220, 40, 40), (40, 180, 60)], [(50, 70, 210), (230, 220, 60)]], np.uint8)
UPRIGHT = QUARTERS.repeat(16, axis=0).repeat(32, axis=1)  # 64×32, a colour in each quarter; whole JPEG blocks


def assert_shows(path, pixels: np.ndarray) -> None:
    opened = open_photo(path)
    photo = opened.view()
    assert photo.mode == "RGB"
    assert opened.size == photo.size == (pixels.shape[1], pixels.shape[0])
    loss = 4 if str(path).lower().endswith(("jpg", "jpeg")) else 0
    assert np.abs(np.asarray(photo, int) - pixels).max() <= loss


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG", "png", "webp", "gif", "bmp", "tif", "tiff"])
def test_every_common_format_opens_with_its_colours(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    exactly = {"webp": {"lossless": True}, "jpg": {"subsampling": 0, "quality": 95}}
    Image.fromarray(UPRIGHT).save(path, **exactly.get(suffix.lower().replace("jpeg", "jpg"), {}))
    assert_shows(path, UPRIGHT)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tiff"])
def test_of_several_frames_the_first_is_taken(tmp_path, suffix):
    later = Image.fromarray(UPRIGHT[::-1, ::-1])
    exactly = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"frames.{suffix}"
    Image.fromarray(UPRIGHT).save(path, save_all=True, append_images=[later, later], **exactly)
    with Image.open(path) as file:
        assert file.n_frames > 1
    assert_shows(path, UPRIGHT)


def grey16(value: int, order: str = "<") -> Image.Image:
    mode = {"<": "I;16", ">": "I;16B"}[order]
    return Image.frombytes(mode, (16, 8), np.full((8, 16), value, f"{order}u2").tobytes())


def palette(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (16, 8), 1)
    image.putpalette([0, 0, 0, *colour])
    return image


@pytest.mark.parametrize(
    ("file", "image", "options", "colour"),
    [
        ("grey.png", Image.new("L", (16, 8), 90), {}, (90, 90, 90)),
        ("grey.jpg", Image.new("L", (16, 8), 90), {}, (90, 90, 90)),
        ("palette.png", palette((200, 100, 50)), {}, (200, 100, 50)),
        ("palette.gif", palette((200, 100, 50)), {}, (200, 100, 50)),
        ("clear palette.png", palette((200, 100, 50)), {"transparency": 1}, (255, 255, 255)),
        ("half-clear palette.png", palette((200, 100, 50)), {"transparency": b"\x00\x80"}, (227, 177, 152)),
        ("clear palette.gif", palette((200, 100, 50)), {"transparency": 1}, (255, 255, 255)),
        ("solid.png", Image.new("RGBA", (16, 8), (200, 100, 50, 255)), {}, (200, 100, 50)),
        ("half-clear.png", Image.new("RGBA", (16, 8), (200, 100, 50, 128)), {}, (227, 177, 152)),
        ("clear.webp", Image.new("RGBA", (16, 8), (0, 0, 0, 0)), {"lossless": True}, (255, 255, 255)),
        ("clear colour.png", Image.new("RGB", (16, 8), (9, 8, 7)), {"transparency": (9, 8, 7)}, (255, 255, 255)),
        ("half-clear grey.png", Image.new("LA", (16, 8), (100, 128)), {}, (177, 177, 177)),
        ("clear grey.png", Image.new("LA", (16, 8), (0, 0)), {}, (255, 255, 255)),
        ("ink.jpg", Image.new("CMYK", (16, 8), (0, 255, 255, 0)), {"quality": 95}, (255, 0, 0)),
        ("ink.tiff", Image.new("CMYK", (16, 8), (255, 0, 0, 127)), {}, (0, 128, 128)),
        ("16-bit.png", grey16(100 * 257), {}, (100, 100, 100)),
        ("16-bit white.png", grey16(65535), {}, (255, 255, 255)),
        ("16-bit dark.png", grey16(200), {}, (1, 1, 1)),
        ("16-bit.tiff", grey16(100 * 257), {}, (100, 100, 100)),
        ("16-bit big-endian.tiff", grey16(100 * 257, ">"), {}, (100, 100, 100)),
        ("32-bit.tiff", Image.new("I", (16, 8), 100 * 257), {}, (100, 100, 100)),
        ("float.tiff", Image.new("F", (16, 8), 0.4), {}, (102, 102, 102)),
        ("1-bit white.png", Image.new("1", (16, 8), 1), {}, (255, 255, 255)),
        ("1-bit black.tiff", Image.new("1", (16, 8), 0), {}, (0, 0, 0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_kind_of_pixel_becomes_the_rgb_it_stands_for(tmp_path, file, image, options, colour):
    image.save(tmp_path / file, **options)
    assert_shows(tmp_path / file, np.full((8, 16, 3), colour, np.uint8))


AS_STORED = {  # EXIF 2.32, tag 274: which side of the picture the file's first row and first column are
    1: lambda upright: upright,  # top, left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda upright: upright[::-1].swapaxes(0, 1),  # left, bottom
}


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("orientation", AS_STORED)
def test_however_the_camera_was_held_the_photo_is_upright(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(AS_STORED[orientation](UPRIGHT))
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(stored).save(path, exif=exif, subsampling=0, quality=95)
    assert_shows(path, UPRIGHT)


@pytest.mark.parametrize(
    "name", ["two words.png", "Zoë 人 🙂.png", "no_suffix", "wrong.jpg", "-dash.png", "100 %s.png"]
)
def test_any_file_name_will_do(tmp_path, name):
    Image.fromarray(UPRIGHT).save(tmp_path / name, format="PNG")
    assert_shows(tmp_path / name, UPRIGHT)
    assert_shows(str(tmp_path / name), UPRIGHT)


@pytest.mark.parametrize("suffix", ["webp", "tiff", "avif"])
def test_exif_turns_photos_of_every_format_that_has_it(tmp_path, suffix):
    exif = Image.Exif()
    exif[274] = 6
    path = tmp_path / f"photo.{suffix}"
    options = {
        "webp": {"lossless": True, "exif": exif},
        "tiff": {"tiffinfo": {274: 6}},
        "avif": {"quality": 100, "subsampling": "4:4:4", "exif": exif},
    }
    Image.fromarray(np.ascontiguousarray(AS_STORED[6](UPRIGHT))).save(path, **options[suffix])
    assert open_photo(path).size == (64, 32)
    assert np.abs(np.asarray(open_photo(path).view(), int) - UPRIGHT).max() <= 4


@pytest.mark.parametrize("orientation", [1, 6, 3])
def test_photos_of_phones_that_write_heic_open_upright(tmp_path, orientation):
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(AS_STORED[orientation](UPRIGHT)))
    path = tmp_path / "IMG_0001.HEIC"
    heif.from_pillow(stored).save(path, quality=-1, chroma=444, exif=exif.tobytes())
    opened = open_photo(path)
    assert opened.size == (64, 32)
    assert np.abs(np.asarray(opened.view(), int) - UPRIGHT).max() <= 4


def test_a_heic_photo_without_its_extra_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch, refuses):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    path = tmp_path / "IMG_0002.HEIC"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with refuses(path) as caught:
        open_photo(path)
    assert ".[heic]" in str(caught.value)


def display_p3() -> bytes:
    """A profile as phones embed it: sRGB's curves, but redder reds and greener greens (its matrix scaled)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    place = int.from_bytes(next(profile[i + 4 : i + 8] for i in range(132, 400, 12) if profile[i : i + 4] == b"rXYZ"))
    for number in range(3):  # s15Fixed16: red at 0.8 of its strength
        at = place + 8 + 4 * number
        profile[at : at + 4] = int(int.from_bytes(profile[at : at + 4], signed=True) * 0.8).to_bytes(4, signed=True)
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "Phon".encode("utf-16-be")).replace(b"sRGB", b"Phon")


def test_colours_are_read_as_their_profile_means_them(tmp_path):
    Image.new("RGB", (16, 8), (200, 100, 100)).save(tmp_path / "phone.png", icc_profile=display_p3())
    red, green, _ = np.asarray(open_photo(tmp_path / "phone.png").view())[0, 0]
    assert red < 190
    assert abs(int(green) - 100) < 12
    Image.new("RGB", (16, 8), (200, 100, 100)).save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert_shows(tmp_path / "broken.png", np.full((8, 16, 3), (200, 100, 100), np.uint8))


def test_a_jpeg_is_decoded_no_finer_than_it_is_looked_at(tmp_path):
    upright = Image.fromarray(UPRIGHT).resize((4096, 2048), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[274] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "large.jpg", exif=exif, quality=95)
    upright.save(tmp_path / "large.png")
    for name in ("large.jpg", "large.png"):
        opened = open_photo(tmp_path / name)
        assert opened.size == (4096, 2048)
        small = opened.view(600)
        assert 600 <= max(small.size) < 1200
        seen = np.asarray(small.resize((64, 32), Image.Resampling.BOX), int)
        assert np.abs(seen - UPRIGHT)[4::8, 8::16].max() <= 4  # away from the borders between the colours
        assert opened.view(500) is small
        assert 1100 <= max(opened.view(1100).size) < 4096
        assert opened.view().size == (4096, 2048)


def test_a_photo_may_be_bytes_a_file_an_image_or_an_array(hopper):
    expected = np.asarray(open_photo(hopper).view())
    data = hopper.read_bytes()
    with open(hopper, "rb") as file:
        sources = [data, bytearray(data), io.BytesIO(data), file, Image.open(hopper), expected, str(hopper)]
        for source in sources:
            assert np.array_equal(np.asarray(open_photo(source).view()), expected), type(source)


def test_an_image_given_is_left_as_it_was(hopper):
    with Image.open(hopper) as image:
        assert open_photo(image).view(60).size < (512, 600)
        assert image.size == (512, 600)
        assert np.array_equal(np.asarray(image), np.asarray(open_photo(hopper).view()))


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("La", (16, 8), (50, 128)), 177),  # premultiplied: half of 100, and half of white
        (Image.new("F", (16, 8), 0.4), 102),
        (Image.new("F", (16, 8), 1.0001), 255),
        (Image.new("F", (16, 8), 100.2), 100),
        (Image.new("F", (16, 8), 256.5), 255),  # resized, floats overshoot
        (Image.new("F", (16, 8), 100 * 257), 100),
    ],
)
def test_an_image_of_any_mode_becomes_the_rgb_it_stands_for(image, colour):
    assert_shows(image, np.full((8, 16, 3), colour, np.uint8))


@pytest.mark.parametrize("values", [(-1, 1), (-1000, 3000), (0, np.inf), (np.nan, np.nan)])
def test_floats_that_could_mean_any_brightness_are_refused_as_such(values):
    with pytest.raises(
        FaceSimError, match=r"the given image has values from .* give 0 to 1, 0 to 255 or 0 to 65535\.$"
    ):
        open_photo(Image.fromarray(np.tile(np.float32(values), (4, 4)))).view()


def encoded(photo: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_but_with_all_its_rows_is_opened_with_a_warning(tmp_path, hopper, mode):
    whole = encoded(Image.open(hopper).convert(mode))
    (tmp_path / "endless.jpg").write_bytes(whole[:-2])
    for source in (tmp_path / "endless.jpg", whole[:-2], whole[:-1]):
        photo = open_photo(source)
        assert np.array_equal(np.asarray(photo.view()), np.asarray(open_photo(whole).view()))
        assert photo.warnings == ("its file lacks the end",)
    assert not open_photo(whole).warnings


def test_a_jpeg_that_lacks_rows_is_refused_however_few(hopper):
    photo = Image.open(hopper)
    for size in ((512, 600), (100, 90), (64, 64), (33, 41)):
        for options in ({"subsampling": 0}, {"subsampling": 2, "quality": 95}, {"optimize": True}):
            data = encoded(photo.resize(size), **options)
            for cut in (7, 8, 9, 10, 30, len(data) // 20):
                with pytest.raises(FaceSimError, match="cut short"):
                    open_photo(data[:-cut]).view()
    scans = encoded(photo, progressive=True)
    for data in (scans[:-2], scans[: scans.rfind(b"\xff\xda")]):
        with pytest.raises(FaceSimError, match="cut short"):
            open_photo(data).view()


def test_a_file_that_changes_while_it_is_looked_at_is_not_two_photos_in_one(tmp_path, hopper, collins, refuses):
    path = tmp_path / "frame.jpg"
    for change in (shutil.copy, lambda _, to: os.replace(shutil.copy(collins, tmp_path / "next.jpg"), to)):
        shutil.copy(hopper, path)
        photo = open_photo(path)
        photo.view(60)
        change(collins, path)
        with refuses(path) as caught:
            photo.view()
        assert "changed while it was read" in str(caught.value)
        assert open_photo(path).view().size == (340, 340)


def test_what_becomes_of_an_image_or_array_later_does_not_matter(hopper):
    pixels = np.array(Image.open(hopper))
    for source in (pixels, Image.fromarray(pixels), bytearray(hopper.read_bytes())):
        photo = open_photo(source)
        if isinstance(source, Image.Image):
            source.paste((0, 0, 0), (0, 0, *source.size))
        else:
            source[:] = source[:1] * len(source) if isinstance(source, bytearray) else 0
        assert np.array_equal(np.asarray(photo.view()), np.asarray(open_photo(hopper).view()))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "is empty"),
        (b"Dear reader", "is not a photo"),
        (io.StringIO("text"), "mode 'rb'"),
        (np.zeros((8, 8, 3)), "uint8"),
        (np.zeros((8, 8), np.uint8), "(height, width, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "(0, 8, 3)"),
        (Image.new("RGB", (0, 8)), "no pixels"),
        (None, "NoneType"),
        (7, "int"),
        ("https://example.org/a.jpg", "download the photo"),
        (Path("https://example.org/a.jpg"), "download the photo"),
        ("data:image/png;base64,AAAA", "download the photo"),
        ("a\0b.jpg", "not the name of a file"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_sentence(source, words):
    with pytest.raises(FaceSimError) as caught:
        open_photo(source)
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_is_not_a_whole_photo_is_refused_by_name(broken_photo, refuses):
    with refuses(broken_photo):
        open_photo(broken_photo).view()


@pytest.mark.parametrize("broken_photo", ["text", "postscript"], indirect=True)
def test_a_file_of_another_kind_is_not_called_damaged(broken_photo, refuses):
    with refuses(broken_photo) as caught:
        open_photo(broken_photo).view()
    assert "is not a photo" in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tiff", "bmp"])
def test_a_photo_cut_short_is_refused_in_every_format(tmp_path, refuses, suffix):
    path = tmp_path / f"photo.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with refuses(path):
        open_photo(path).view()


@pytest.mark.parametrize("broken_photo", ["50,000×50,000"], indirect=True)
def test_a_photo_that_claims_too_many_pixels_is_refused_for_its_header_alone(broken_photo, refuses):
    start = time.perf_counter()
    with refuses(broken_photo) as caught:
        open_photo(broken_photo).view()
    assert time.perf_counter() - start < 1
    assert "million pixels" in str(caught.value)  # not "cut short", as whoever began to read it would say


def test_the_limit_on_pixels_is_exact(tmp_path, monkeypatch, refuses):
    path = tmp_path / "photo.png"
    Image.fromarray(UPRIGHT).save(path)
    monkeypatch.setattr(pixels, "MAX_PIXELS", 64 * 32)
    assert_shows(path, UPRIGHT)
    monkeypatch.setattr(pixels, "MAX_PIXELS", 64 * 32 - 1)
    with refuses(path):
        open_photo(path).view()
