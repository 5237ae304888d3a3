import shutil

import numpy as np
import pytest
from PIL import Image

from facesim.data.dataset import read_folder
from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo
from facesim.training.preview import AUGMENTED, draw_preview


@pytest.fixture
def dataset(tmp_path, hopper, collins, faceless):
    """Two people, one with names in many letters, and photos that show nobody."""
    for name, source in (
        ("grace/1.jpg", hopper),
        ("花 🙂 مرحبا\nx/1.jpg", collins),
        ("grace/wall.png", faceless),
        ("nobody/wall.png", faceless),
    ):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / "photos" / name)
    (tmp_path / "photos" / "nobody" / "torn.jpg").write_text("not a photo")
    return read_folder(tmp_path / "photos")


def all_of(dataset):
    return np.ones(len(dataset.photos), bool)


def crops_in(picture, rows):
    """Return the crops of a preview, `(rows, 10, 160, 160, 3)`."""
    height, gap = picture.height // rows, (picture.width - (AUGMENTED + 1) * CROP_SIZE) // (AUGMENTED + 2)
    strips = np.asarray(picture).reshape(rows, height, picture.width, 3)
    top = height - CROP_SIZE - gap
    lefts = [gap + column * (CROP_SIZE + gap) for column in range(AUGMENTED + 1)]
    return np.stack([strips[:, top : top + CROP_SIZE, left : left + CROP_SIZE] for left in lefts], axis=1)


def test_each_row_begins_with_the_crop_of_a_verdict(dataset, hopper, collins):
    rows = crops_in(draw_preview(dataset, all_of(dataset), rows=8), 2)
    shown = {row[0].tobytes() for row in rows}
    for path in (hopper, collins):
        photo = open_photo(path)
        assert centre_crop(cut_wide_crop(photo, find_faces(photo)[0])).tobytes() in shown
    for row in rows:
        assert len({crop.tobytes() for crop in row}) == AUGMENTED + 1


def test_the_seed_repeats_and_strength_0_only_mirrors(dataset):
    one, again, other = (draw_preview(dataset, all_of(dataset), seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    for first, *augmented in crops_in(draw_preview(dataset, all_of(dataset), strength=0), 2).astype(int):
        apart = [min(np.abs(crop - first).mean(), np.abs(crop[:, ::-1] - first).mean()) for crop in augmented]
        assert max(apart) < 2


def test_only_photos_that_count_are_drawn(dataset):
    selected = all_of(dataset)
    selected[dataset.photos.index("grace/1.jpg")] = False
    assert 2 * draw_preview(dataset, selected).height == draw_preview(dataset, all_of(dataset)).height
    with pytest.raises(FaceSimError, match="no photo that counts shows a face"):
        draw_preview(dataset, dataset.identities == "nobody")


def test_everybody_is_shown_once_before_anybody_twice(tmp_path, hopper, collins):
    for name in [*(f"many/{i}.png" for i in range(8)), "one/1.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(hopper if name < "o" else collins).resize((200, 200)).save(tmp_path / name)
    dataset = read_folder(tmp_path)
    for seed in range(3):
        first, second = crops_in(draw_preview(dataset, all_of(dataset), rows=2, seed=seed), 2)[:, 0].astype(int)
        assert np.abs(first - second).mean() > 10
