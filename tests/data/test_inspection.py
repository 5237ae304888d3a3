import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from facesim.data.cache import cached_crops
from facesim.data.dataset import join_datasets, read_folder
from facesim.data.duplicates import HASH_RADIUS, close_pairs, find_copies
from facesim.data.exclusions import FILE_NAME, read_exclusions
from facesim.data.inspection import exclude_findings, inspect_dataset
from facesim.data.inspection_picture import draw_inspection
from facesim.data.inspection_text import as_dict, as_text
from facesim.errors import FaceSimError


@pytest.fixture
def photos(tmp_path, hopper, collins, faceless, crowd):
    """Two people and a stranger, with a finding of every kind."""
    root = tmp_path / "photos"
    for name in ("eileen", "grace", "$stranger$ 花"):
        (root / name).mkdir(parents=True)
    shutil.copy(hopper, root / "grace" / "1.jpg")
    small = Image.open(hopper).resize((256, 300))
    small.save(root / "grace" / "smaller.jpg", quality=60)
    ImageEnhance.Brightness(small.crop((5, 0, 256, 294))).enhance(1.2).save(root / "grace" / "brighter.png")
    shutil.copy(crowd, root / "grace" / "crowd.png")
    (root / "grace" / "torn.jpg").write_bytes(hopper.read_bytes()[:20_000])
    shutil.copy(collins, root / "eileen" / "1.jpg")
    shutil.copy(faceless, root / "eileen" / "wall.png")
    shutil.copy(collins, root / "$stranger$ 花" / "who.jpg")
    return root


@pytest.fixture
def inspection(photos, tmp_path):
    dataset = read_folder(photos)
    return inspect_dataset(dataset, cached_crops(dataset, home=tmp_path / "cache"))


def test_every_kind_of_finding_is_found(inspection):
    found = as_dict(inspection)
    assert found["identities"] == 3
    assert found["photos"] == 8
    per_identity = found["photos_per_identity"]
    assert [per_identity[key] for key in ("min", "median", "max", "with_one_photo")] == [1, 2, 5, 1]
    assert (per_identity["largest"], per_identity["share_of_largest"]) == ("grace", 5 / 8)
    assert found["photo_size"] == {"min": [200, 200], "median": [340, 340], "max": [1024, 600]}
    assert list(found["unreadable"]) == ["grace/torn.jpg"]
    assert "cut short" in found["unreadable"]["grace/torn.jpg"]
    assert found["without_face"] == ["eileen/wall.png"]
    assert found["several_faces"] == {"grace/crowd.png": 2}
    assert found["same_photo_under_several_names"] == [
        {"photos": ["$stranger$ 花/who.jpg", "eileen/1.jpg"], "same_bytes": True}
    ]
    assert found["same_photo_under_one_name"] == [
        {"photos": ["grace/1.jpg", "grace/brighter.png", "grace/smaller.jpg"], "same_bytes": False}
    ]
    assert json.loads(json.dumps(found)) == found


def test_the_largest_copy_stays_and_a_photo_under_two_names_goes(inspection):
    photos = inspection.dataset.photos
    assert {photos[i] for i in inspection.to_exclude()} == {
        "grace/torn.jpg",
        "grace/smaller.jpg",
        "grace/brighter.png",
        "eileen/wall.png",
        "eileen/1.jpg",
        "$stranger$ 花/who.jpg",
    }


def test_a_list_for_each_part_lies_in_its_own_folder_or_all_in_one_file(photos, tmp_path, inspection):
    other = tmp_path / "other"
    for name, source in (("zoe", "eileen/1.jpg"), ("yves", "grace/crowd.png")):
        (other / name).mkdir(parents=True)
        shutil.copy(photos / source, other / name)
    parts = (read_folder(photos), read_folder(other))
    both = join_datasets(list(parts))
    crops = cached_crops(both, home=tmp_path / "cache")
    inspected = inspect_dataset(both, crops)
    assert exclude_findings(inspected, parts) == [photos / FILE_NAME, other / FILE_NAME]
    assert read_exclusions(other / FILE_NAME) == {"zoe/1.jpg", "yves/crowd.png"}
    own = read_exclusions(photos / FILE_NAME)
    assert own == {inspection.dataset.photos[i] for i in inspection.to_exclude()} | {"grace/crowd.png"}
    assert exclude_findings(inspected, parts, tmp_path / "all.txt") == [tmp_path / "all.txt"]
    assert read_exclusions(tmp_path / "all.txt") == own | {"zoe/1.jpg", "yves/crowd.png"}


def test_a_list_that_cannot_be_written_says_where_else(photos, inspection, refuses):
    (photos / FILE_NAME).mkdir()
    with refuses(photos / FILE_NAME, FaceSimError) as caught:
        exclude_findings(inspection, (inspection.dataset,))
    assert "--exclusions" in str(caught.value)


def test_text_and_picture_tell_the_worst_first(inspection):
    text = as_text(inspection)
    assert len(text.splitlines()) <= 40
    assert text.index("who.jpg = eileen/1.jpg (same bytes)") < text.index("torn.jpg") < text.index("brighter.png")
    picture = draw_inspection(inspection)
    assert picture.width > 1000
    pixels = np.asarray(picture).reshape(-1, 3).astype(int)
    assert (np.abs(pixels - (198, 40, 40)).sum(1) < 10).sum() > 20  # red: one photo, two names


def test_close_pairs_are_those_that_a_double_loop_finds():
    random = np.random.default_rng(0)
    hashes = np.repeat(random.random((40, 256)) < 0.5, 60, axis=0)
    hashes ^= random.random(hashes.shape) < random.choice([0.02, 0.1, 0.12], (len(hashes), 1))
    chosen = np.r_[0:300, 2000:2400]  # both sides of a tile's edge
    apart = (hashes[chosen][:, None] ^ hashes[chosen][None]).sum(2)
    expected = {(int(chosen[i]), int(chosen[j])) for i, j in np.argwhere(apart <= HASH_RADIUS) if i < j}
    found = set(close_pairs(hashes))
    assert {(i, j) for i, j in found if i in chosen and j in chosen} == expected
    assert 100 < len(expected) < len(chosen) * 60 / 2 - 100


def test_photos_of_lfw_that_differ_are_not_called_copies(lfw):
    """Bush and others, much alike in pose, dress and light; all pairs found here were looked at."""
    dataset = read_folder(lfw)
    chosen = np.flatnonzero(np.isin(dataset.identities, ["George_W_Bush", "Mikhail_Kasyanov", "Martha_Bowen"]))
    chosen = np.append(chosen, np.flatnonzero(dataset.identities == "Gabrielle_Rose"))
    found = {
        tuple(
            dataset.photos[i].split("/")[1].removesuffix(".jpg").removeprefix("George_W_Bush_") for i in copies.photos
        )
        for copies in find_copies(dataset, chosen)
    }
    assert found == {
        ("0016", "0039"),
        ("0130", "0206"),
        ("0168", "0171"),
        ("0177", "0194"),
        ("0235", "0261"),
        ("0372", "0375", "0376"),
        ("Gabrielle_Rose_0001", "Martha_Bowen_0002"),
    }
