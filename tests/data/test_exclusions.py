import os
import unicodedata

import numpy as np
import pytest

from facesim.data.dataset import read_folder
from facesim.data.exclusions import FILE_NAME, excluded, read_exclusions, write_exclusions
from facesim.errors import FaceSimError


@pytest.fixture
def dataset(tmp_path):
    for name in ("ana/1.jpg", "ana/ü 2.jpg", "bo/1.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    return read_folder(tmp_path / "photos")


def test_photos_listed_in_the_folder_are_excluded(dataset):
    assert not excluded(dataset).any()
    write_exclusions(dataset.root / FILE_NAME, {"bo/1.jpg": "no face", "ana/ü 2.jpg": "two\nlines and\ta tab"})
    assert excluded(dataset).tolist() == [False, True, True]
    assert read_folder(dataset.root).photos == dataset.photos


def test_a_list_named_counts_instead_of_the_folders_own(dataset, tmp_path):
    write_exclusions(dataset.root / FILE_NAME, {"bo/1.jpg": "no face"})
    write_exclusions(tmp_path / "other.txt", {"ana/1.jpg": "no face"})
    assert excluded(dataset, tmp_path / "other.txt").tolist() == [True, False, False]


def test_a_list_can_be_edited_by_hand(tmp_path):
    (tmp_path / "list.txt").write_text("# ours\n\nana/1.jpg\nbo/1.jpg\twrong person\n")
    assert read_exclusions(tmp_path / "list.txt") == {"ana/1.jpg", "bo/1.jpg"}


def test_a_list_names_photos_however_their_names_are_spelled(dataset):
    (dataset.root / "ana" / "A.jpg").touch()
    (dataset.root / "ana" / "a.jpg").touch()
    (dataset.root / os.fsdecode(b"ana/\xff.jpg")).touch()
    dataset = read_folder(dataset.root)
    listed = ["ANA/" + unicodedata.normalize("NFD", "ü 2.jpg"), "Ana/a.jpg", os.fsdecode(b"ana/\xff.jpg")]
    write_exclusions(dataset.root / FILE_NAME, dict.fromkeys(listed, "no face"))
    left_out = np.array(dataset.photos)[excluded(dataset)].tolist()
    assert left_out == ["ana/a.jpg", "ana/ü 2.jpg", os.fsdecode(b"ana/\xff.jpg")]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_is_no_list_is_refused_by_name(dataset, tmp_path, content, refuses):
    if content:
        (tmp_path / "list.txt").write_bytes(content)
    with refuses(tmp_path / "list.txt", FaceSimError):
        excluded(dataset, tmp_path / "list.txt")
