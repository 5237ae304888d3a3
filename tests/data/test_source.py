import itertools

import numpy as np
import pytest

from facesim.data.dataset import read_folder
from facesim.data.exclusions import FILE_NAME, write_exclusions
from facesim.data.lfw import find_lfw
from facesim.data.source import find_photos, open_source
from facesim.errors import FaceSimError


def folder_of(root, counts, prefix=""):
    for name, count in counts.items():
        (root / f"{prefix}{name}").mkdir(parents=True)
        for i in range(count):
            (root / f"{prefix}{name}" / f"{i}.jpg").write_bytes(f"{name}{i}".encode())
    return str(root)


def people(source):
    return set(source.dataset.identities[source.selected].tolist())


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path / "photos", {f"person{i:02}": 3 + i % 4 for i in range(20)})


def test_a_seed_draws_some_people_and_some_photos_of_each(folder):
    source = open_source((folder,), identities=7, max_per_identity=2, seed=1)
    names, counts = np.unique(source.dataset.identities[source.selected], return_counts=True)
    assert (len(names), set(counts.tolist())) == (7, {2})
    assert people(source) == people(open_source((folder,), identities=7, seed=1))
    assert people(source) != people(open_source((folder,), identities=7, seed=2))
    with pytest.raises(FaceSimError, match="--identities 21"):
        open_source((folder,), identities=21)


def test_nothing_outside_the_subset_is_in_any_part_of_a_split(folder):
    source = open_source((folder,), identities=12, max_per_identity=3, seed=1)
    split = source.split(seed=0)
    held_out = split.held_out_photos(source.dataset, source.selected)
    used = np.concatenate([split.train, split.validation.photos(), split.test.photos(), held_out])
    assert source.selected[used].all()
    assert set(used.tolist()) == set(np.flatnonzero(source.selected).tolist())


def test_several_data_sets_are_one_and_namesakes_are_one_person(tmp_path):
    names = [f"Ana_{letter}" for letter in "abcdefgh"]
    first = folder_of(tmp_path / "first", dict.fromkeys(names, 2))
    second = folder_of(tmp_path / "second", {name.replace("_", " "): 3 for name in names}, "pins_")
    source = open_source((first, second, first))
    assert len(source.dataset.photos) == 8 * 5
    assert people(source) == set(names)
    assert [path.read_bytes() for path in source.dataset.paths()[16:18]] == [b"Ana a0", b"Ana a1"]
    fingerprints = {open_source(names).fingerprint() for names in ((first,), (second,), (first, second))}
    assert fingerprints >= {read_folder(first).fingerprint(), source.fingerprint()}
    assert len(fingerprints) == 3


def test_exclusion_lists_are_honoured(folder, tmp_path):
    dataset = read_folder(folder)
    write_exclusions(dataset.root / FILE_NAME, {dataset.photos[0]: "no face", dataset.photos[5]: "twice"})
    assert np.flatnonzero(~open_source((folder,)).selected).tolist() == [0, 5]
    write_exclusions(tmp_path / "list.txt", {dataset.photos[1]: "torn"})
    assert np.flatnonzero(~open_source((folder,), exclude=tmp_path / "list.txt").selected).tolist() == [1]


def test_every_person_is_tested_once_and_never_by_a_model_that_has_seen_them(folder):
    source = open_source((folder,))
    splits = source.folds(4, seed=0)
    parts = [split.identities(source.dataset) for split in splits]
    tested = [name for part in parts for name in part["test"]]
    assert sorted(tested) == sorted(people(source))
    for part in parts:
        assert all(part.values())
        for one, other in itertools.combinations(part.values(), 2):
            assert not one & other


def test_photos_are_found_by_name_or_in_any_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(tmp_path))
    with pytest.raises(FaceSimError, match="pins is not there"):
        find_photos("pins")
    folder_of(tmp_path / "pins", {"Ana": 1, "Bo": 2}, "pins_")
    assert (find_photos("pins").name, find_photos("pins").identities.tolist()) == ("pins", ["Ana", "Bo", "Bo"])
    assert set(find_photos(f"{folder}/person00").identities.tolist()) == {""}


@pytest.mark.parametrize(("count", "said"), [(2, "it takes 3"), (11, "of 20 identities")])
def test_folds_that_cannot_be_are_refused(folder, count, said):
    with pytest.raises(FaceSimError, match=said):
        open_source((folder,)).folds(count, seed=0)


def test_ten_folds_of_lfw_are_the_official_ones(data_home, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(data_home))
    source = open_source(("lfw",))
    _, folds = find_lfw()
    splits = source.folds(10, seed=0)
    for i, split in enumerate(splits):
        assert (split.test.first == folds[i].first).all()
        parts = split.identities(source.dataset)
        assert not parts["train"] & (parts["test"] | parts["validation"])
        assert not parts["validation"] & parts["test"]
    assert len(set().union(*(split.identities(source.dataset)["test"] for split in splits))) == 4281


def test_where_nobody_trains_lfws_same_folds_are_held_out(data_home, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(data_home))
    source = open_source(("lfw",))
    trained, held_out = source.split(seed=0), source.held_out(seed=0)
    assert len(held_out.train) == 0
    for ours, theirs in ((held_out.validation, trained.validation), (held_out.test, trained.test)):
        assert (ours.first == theirs.first).all()
        assert (ours.second == theirs.second).all()


def test_excluded_photos_neither_choose_nor_test(folder):
    dataset = read_folder(folder)
    write_exclusions(dataset.root / FILE_NAME, {dataset.photos[0]: "no face", dataset.photos[5]: "twice"})
    split = open_source((folder,)).held_out(seed=0)
    assert not {0, 5} & {*split.validation.photos().tolist(), *split.test.photos().tolist()}


def test_a_held_out_person_of_lfw_is_not_trained_on_under_another_roof(data_home, monkeypatch, tmp_path):
    monkeypatch.setenv("FACESIM_DATA", str(data_home))
    _, folds = find_lfw()
    dataset, _ = find_lfw()
    held = str(dataset.identities[folds[9].first[0]])
    other = folder_of(tmp_path / "web", {held.replace("_", " "): 4, "Nobody Known": 4}, "pins_")
    source = open_source((other, "lfw"))
    split = source.split(seed=0)
    parts = split.identities(source.dataset)
    assert held in parts["test"]
    assert held not in parts["train"]
    assert "Nobody_Known" in parts["train"]
    assert (source.dataset.identities[split.test.first] == source.dataset.identities[split.test.second]).sum() == 600


def test_pins_that_are_not_there_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(tmp_path))
    with pytest.raises(FaceSimError, match="Kaggle"):
        open_source(("pins",))
