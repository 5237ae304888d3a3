import time

import numpy as np
import pytest
from PIL import Image

from facesim.photo import open_photo

QUARTERS = np.array([[(220, 40, 40), (40, 180, 60)], [(50, 70, 210), (230, 220, 60)]], np.uint8)
UPRIGHT = QUARTERS.repeat(16, axis=0).repeat(32, axis=1)  # 64×32, a colour in each quarter; whole JPEG blocks


def assert_shows(path, pixels: np.ndarray) -> None:
    photo = open_photo(path)
    assert photo.mode == "RGB"
    assert photo.size == (pixels.shape[1], pixels.shape[0])
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


def test_what_is_not_a_whole_photo_is_refused_by_name(broken_photo, refuses):
    with refuses(broken_photo):
        open_photo(broken_photo)


@pytest.mark.parametrize("broken_photo", ["text", "postscript"], indirect=True)
def test_a_file_of_another_kind_is_not_called_damaged(broken_photo, refuses):
    with refuses(broken_photo) as caught:
        open_photo(broken_photo)
    assert "is not a photo" in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "webp", "gif", "tiff", "bmp"])
def test_a_photo_cut_short_is_refused_in_every_format(tmp_path, refuses, suffix):
    path = tmp_path / f"photo.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with refuses(path):
        open_photo(path)


@pytest.mark.parametrize("broken_photo", ["50,000×50,000"], indirect=True)
def test_a_photo_that_claims_too_many_pixels_is_refused_for_its_header_alone(broken_photo, refuses):
    start = time.perf_counter()
    with refuses(broken_photo) as caught:
        open_photo(broken_photo)
    assert time.perf_counter() - start < 1
    assert "million pixels" in str(caught.value)  # not "cut short", as whoever began to read it would say


def test_the_limit_on_pixels_is_exact(tmp_path, monkeypatch, refuses):
    path = tmp_path / "photo.png"
    Image.fromarray(UPRIGHT).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 32)
    assert_shows(path, UPRIGHT)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 32 - 1)
    with refuses(path):
        open_photo(path)
