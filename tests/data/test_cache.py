import os
import shutil
import time

import numpy as np
import pytest

from facesim.data.cache import cached_crops, join_crops
from facesim.data.dataset import read_folder
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo


@pytest.fixture
def dataset(tmp_path, hopper, collins):
    """Two people, and a file that is no photo."""
    for name, source in (("grace", hopper), ("eileen", collins)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        shutil.copy(source, tmp_path / "photos" / name)
    (tmp_path / "photos" / "grace" / "torn.jpg").write_text("not a photo")
    return read_folder(tmp_path / "photos")


def test_a_cached_crop_is_the_crop_that_a_verdict_is_given_on(dataset, tmp_path):
    crops = cached_crops(dataset, tmp_path / "cache")
    for i, path in enumerate(dataset.paths()):
        if path.name == "torn.jpg":
            assert "torn.jpg" in crops.problems[i]
            assert not crops.usable[i]
            assert crops.detectors[i] == ""
            continue
        photo = open_photo(path)
        wide = cut_wide_crop(photo, find_faces(photo)[0])
        assert (centre_crop(crops.wide[i]) == centre_crop(wide)).all()
        assert crops.face_counts[i] == 1
        assert tuple(crops.sizes[i]) == photo.size
        assert crops.detectors[i] == "hog"
    assert crops.usable.sum() == 2


def test_a_second_run_reads_what_the_first_has_cut(dataset, tmp_path):
    first = cached_crops(dataset, tmp_path / "cache")
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o077 == 0  # faces are for their owner alone
    written = (folder / "crops.npy").stat().st_mtime_ns
    again = cached_crops(dataset, tmp_path / "cache")
    assert (folder / "crops.npy").stat().st_mtime_ns == written
    assert np.array_equal(first.wide, again.wide)
    assert again.problems == first.problems


def test_changed_photos_are_cut_anew(dataset, tmp_path, hopper):
    cached_crops(dataset, tmp_path / "cache")
    shutil.copy(hopper, dataset.root / "grace" / "torn.jpg")
    assert cached_crops(read_folder(dataset.root), tmp_path / "cache").usable.all()


def test_an_interrupted_cropping_leaves_nothing_behind(dataset, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("facesim.data.cache.json.dumps", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached_crops(dataset, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_photos_without_any_face_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_text("not a photo")
    with pytest.raises(FaceSimError, match="no face was found in any"):
        cached_crops(read_folder(tmp_path / "photos"), tmp_path / "cache")


def test_several_data_sets_crops_are_read_as_one(dataset, tmp_path):
    crops = cached_crops(dataset, tmp_path / "cache")
    both = join_crops([crops, crops])
    torn = next(iter(crops.problems))
    assert set(both.problems) == {torn, torn + 3}
    assert len(both.wide) == len(both.usable) == len(both.face_counts) == 6
    rows = np.array([5, 0, 4, 1])
    assert np.array_equal(both.wide[rows], crops.wide[rows % 3])
    assert np.array_equal(both.wide[4], crops.wide[1])
    assert both.fingerprint != crops.fingerprint


def test_what_a_killed_run_left_behind_is_cleared_once_it_is_old(dataset, tmp_path):
    for name, age in ((".partial-old", 2 * 86_400), (".partial-new", 60)):
        (tmp_path / "cache" / name).mkdir(parents=True)
        (tmp_path / "cache" / name / "crops.npy").write_bytes(b"half")
        then = time.time() - age
        os.utime(tmp_path / "cache" / name / "crops.npy", (then, then))
    cached_crops(dataset, tmp_path / "cache")
    assert sorted(path.name for path in (tmp_path / "cache").glob(".partial-*")) == [".partial-new"]
