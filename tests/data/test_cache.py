import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from facesim.data.cache import cached_crops
from facesim.data.crop_store import CROP_VERSION, CropStore
from facesim.data.dataset import digest_of, read_folder
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo


@pytest.fixture
def dataset(tmp_path, hopper, collins):
    """Eileen, Grace, and a file of Grace's that is no photo, in this order."""
    for name, source in (("grace", hopper), ("eileen", collins)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        shutil.copy(source, tmp_path / "photos" / name)
    (tmp_path / "photos" / "grace" / "torn.jpg").write_text("not a photo")
    return read_folder(tmp_path / "photos")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cut(monkeypatch):
    """The names of the photos in which a face is looked for, one after the other."""
    names = []

    def look(photo):
        names.append(Path(photo.name).name)
        return find_faces(photo)

    monkeypatch.setattr("facesim.data.cache.find_faces", look)
    return names


def stored(home) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_a_cached_crop_is_the_crop_that_a_verdict_is_given_on(dataset, home):
    for _ in ("cut", "read"):
        crops = cached_crops(dataset, home=home)
        for i, path in enumerate(dataset.paths()[:2]):
            photo = open_photo(path)
            wide = cut_wide_crop(photo, find_faces(photo)[0])
            assert (centre_crop(crops.wide[i]) == centre_crop(wide)).all()
            assert (crops.face_counts[i], tuple(crops.sizes[i]), crops.detectors[i]) == (1, photo.size, "hog")
        assert "torn.jpg" in crops.problems[2]
        assert (crops.face_counts[2], crops.sizes[2].tolist(), crops.detectors[2]) == (0, [0, 0], "")
        assert crops.usable.tolist() == [True, True, False]
        assert np.array_equal(crops.wide[np.array([2, 0])], [np.zeros_like(crops.wide[0]), crops.wide[0]])


def test_only_the_photos_that_are_asked_for_are_cut_and_nothing_is_known_of_others(dataset, home, cut):
    crops = cached_crops(dataset, np.array([1, 1]), home)
    assert cut == ["grace_hopper.jpg"]
    assert crops.usable.tolist() == [False, True, False]
    assert crops.problems == {}
    with pytest.raises(KeyError):
        crops.wide[0]


def test_a_photo_is_cut_once_in_whatever_data_set_and_under_whatever_name(dataset, home, hopper, tmp_path, cut):
    cached_crops(dataset, home=home)
    assert sorted(cut) == ["eileen_collins.jpg", "grace_hopper.jpg"]
    shutil.copy(hopper.with_name("grace_hopper_print.jpg"), dataset.root / "grace" / "new.jpg")
    (tmp_path / "photos").rename(tmp_path / "moved")
    (tmp_path / "moved" / "grace").rename(tmp_path / "moved" / "Admiral Hopper")
    moved = cached_crops(read_folder(tmp_path / "moved"), home=home)
    assert moved.usable.sum() == 3
    assert cut[2:] == ["new.jpg"]


def test_a_photo_with_other_content_is_cut_anew(dataset, home, hopper):
    cached_crops(dataset, home=home)
    shutil.copy(hopper, dataset.root / "grace" / "torn.jpg")
    assert cached_crops(dataset, home=home).usable.all()


def test_a_photo_without_a_face_is_looked_at_once(dataset, home, faceless, cut):
    shutil.copy(faceless, dataset.root / "grace" / "torn.jpg")
    for _ in range(2):
        crops = cached_crops(dataset, home=home)
        assert crops.problems == {2: f"no face was found in {dataset.paths()[2]}."}
        assert crops.sizes[2].tolist() == [200, 200]
    assert cut.count("torn.jpg") == 1


def test_faces_are_for_their_owner_alone(dataset, home):
    cached_crops(dataset, home=home)
    assert home.stat().st_mode & 0o077 == 0
    assert len(stored(home)) == 2
    assert all(path.stat().st_mode & 0o077 == 0 for path in stored(home))


def test_a_run_never_loses_the_crops_that_it_uses(dataset, home, hopper):
    crops = cached_crops(dataset, home=home)
    before = crops.wide[np.array([0, 1])]
    shutil.rmtree(home)  # as facesim cache --clear does
    assert np.array_equal(crops.wide[np.array([0, 1])], before)
    assert len(stored(home)) == 2
    stored(home)[0].write_bytes(stored(home)[0].read_bytes()[:1000])
    assert np.array_equal(crops.wide[np.array([0, 1])], before)
    shutil.rmtree(home)
    shutil.copy(hopper, dataset.paths()[0])
    with pytest.raises(FaceSimError, match="was changed while it was in use"):
        crops.wide[0]


def test_a_damaged_crop_is_cut_anew(dataset, home):
    whole = cached_crops(dataset, home=home).wide[0]
    for damage in (b"", b"half", None):
        for path in stored(home):
            path.write_bytes(path.read_bytes()[:5000] if damage is None else damage)
        assert np.array_equal(cached_crops(dataset, home=home).wide[0], whole)


def test_an_interrupted_cropping_keeps_what_it_has_cut(dataset, home, monkeypatch):
    def interrupt(photo):
        if Path(photo.name).stem == "grace_hopper":
            raise KeyboardInterrupt
        return find_faces(photo)

    monkeypatch.setattr("facesim.data.cache.find_faces", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached_crops(dataset, home=home)
    assert len(stored(home)) == 1


def test_photos_without_any_face_are_refused(tmp_path, home):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_text("not a photo")
    with pytest.raises(FaceSimError, match="no face was found in any"):
        cached_crops(read_folder(tmp_path / "photos"), home=home)


def test_the_least_recently_used_crops_make_room_but_never_those_in_use(dataset, home):
    cached_crops(dataset, home=home)
    one, other, third = map(digest_of, dataset.paths())
    store = CropStore(home)
    size = stored(home)[0].stat().st_size
    for path in stored(home):
        os.utime(path, (0, 0))
    assert store.find(one)  # it is used
    store.make_room(1, {third}, limit=3 * size)
    assert len(stored(home)) == 2
    store.make_room(1, {third}, limit=2 * size)
    assert (store.find(one) is None, store.find(other) is None) == (False, True)
    store.make_room(2, {one}, limit=2 * size)
    assert store.find(one)


def test_a_full_disk_is_a_sentence(dataset, home, monkeypatch, refuses):
    cached_crops(dataset, np.array([0]), home)
    usage = shutil.disk_usage(home)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=100_000))
    with refuses(home):
        cached_crops(dataset, home=home)


def test_what_earlier_versions_and_killed_runs_have_left_is_removed(dataset, home):
    former = [home / "photos-0123456789abcdef-6", home / ".partial-x1", home / str(CROP_VERSION - 1)]
    kept = [home / "mine", home / str(CROP_VERSION + 1)]
    for folder in (*former, *kept):
        folder.mkdir(parents=True)
        (folder / "crops.npy").write_bytes(b"crops")
    killed = home / str(CROP_VERSION) / "ab" / ".half"
    killed.parent.mkdir(parents=True)
    for age, left in ((60, True), (2 * 86_400, False)):
        killed.write_bytes(b"half")
        os.utime(killed, (time.time() - age,) * 2)
        (dataset.root / "grace" / f"{age}.png").write_bytes(b"not a photo")
        cached_crops(read_folder(dataset.root), home=home)
        assert killed.exists() is left
    assert not any(folder.exists() for folder in former)
    assert all(folder.exists() for folder in kept)
