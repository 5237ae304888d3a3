import itertools

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.lfw import find_lfw, lfw_split
from facesim.data.split import fold_by_identity, halve_by_identity, split_by_identity
from facesim.errors import FaceSimError


def dataset_of(counts, tmp_path):
    identities = np.repeat([f"person {i}" for i in range(len(counts))], counts)
    return Dataset("made up", tmp_path, tuple(f"{i}.jpg" for i in range(len(identities))), identities)


def assert_nobody_is_in_two_parts(split, dataset):
    parts = split.identities(dataset)
    assert all(parts.values())
    for one, other in itertools.combinations(parts.values(), 2):
        assert not one & other


@pytest.mark.parametrize(("people", "held_out"), [(12, 2), (39, 4), (40, 10), (99, 10), (150, 15)])
@pytest.mark.parametrize("seed", range(3))
def test_ten_people_or_more_are_held_out_where_half_still_train(tmp_path, people, held_out, seed):
    dataset = dataset_of([3] * people, tmp_path)
    split = split_by_identity(dataset, seed)
    assert_nobody_is_in_two_parts(split, dataset)
    parts = split.identities(dataset)
    assert [len(part) for part in parts.values()] == [people - 2 * held_out, held_out, held_out]


@pytest.mark.parametrize("seed", range(3))
def test_people_with_one_photo_train(tmp_path, seed):
    dataset = dataset_of([1] * 60 + [4] * 40, tmp_path)
    split = split_by_identity(dataset, seed)
    names, counts = np.unique(dataset.identities, return_counts=True)
    assert set(names[counts == 1]) <= split.identities(dataset)["train"]
    assert [len(part) for part in split.identities(dataset).values()] == [80, 10, 10]


def test_the_seed_decides_who_is_where(tmp_path):
    dataset = dataset_of([3] * 40, tmp_path)
    first, again, other = (split_by_identity(dataset, seed).train.tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("counts", [[3] * 5, [1] * 40])
def test_too_few_people_or_photos_are_refused(tmp_path, counts):
    with pytest.raises(FaceSimError):
        split_by_identity(dataset_of(counts, tmp_path), 0)


FEW_WITH_PAIRS = [3] * 6 + [1] * 24


@pytest.mark.parametrize("seed", range(20))
def test_people_with_pairs_are_shared_out_where_they_are_few(tmp_path, seed):
    dataset = dataset_of(FEW_WITH_PAIRS, tmp_path)
    splits = [split_by_identity(dataset, seed), halve_by_identity(dataset, seed), *fold_by_identity(dataset, 3, seed)]
    for split in splits:
        for pairs in (split.validation, split.test):
            assert pairs.same.any()
            assert not pairs.same.all()
        parts = split.identities(dataset)
        assert not parts["train"] & (parts["validation"] | parts["test"])
        assert not parts["validation"] & parts["test"]
    assert (np.unique(dataset.identities[splits[0].train], return_counts=True)[1] > 1).sum() >= 2
    tested = set().union(*(split.identities(dataset)["test"] for split in splits[2:]))
    assert tested == set(dataset.identities.tolist())


def test_how_many_were_shared_out_is_said(tmp_path):
    said = {split_by_identity(dataset_of(FEW_WITH_PAIRS, tmp_path), seed).description for seed in range(20)}
    told = "26 to train, 2 to choose, 2 to test; with two photos or more: 2 to train, 2 to choose, 2 to test"
    assert any(description.endswith(told) for description in said)


def test_where_too_few_have_pairs_it_is_said_how_many(tmp_path):
    one, two = dataset_of([3] + [1] * 20, tmp_path), dataset_of([3] * 2 + [1] * 20, tmp_path)
    for refused in (lambda: split_by_identity(one, 0), lambda: halve_by_identity(one, 0)):
        with pytest.raises(FaceSimError, match="1 of the 21 identities has two photos or more, and 2 are needed"):
            refused()
    with pytest.raises(FaceSimError, match="2 of the 22 identities have two photos or more, and 5 are needed"):
        fold_by_identity(two, 5, 0)


def test_where_nobody_trains_half_choose_and_half_test(tmp_path):
    dataset = dataset_of([3] * 9, tmp_path)
    split = halve_by_identity(dataset, 0)
    parts = split.identities(dataset)
    assert [len(people) for people in parts.values()] == [0, 5, 4]
    assert not parts["validation"] & parts["test"]
    assert split.description == "by identity, seed 0: 0 to train, 5 to choose, 4 to test"
    with pytest.raises(FaceSimError, match="holds 3 identities"):
        halve_by_identity(dataset_of([3] * 3, tmp_path / "few"), 0)


def test_lfw_follows_the_official_folds(data_home):
    dataset, folds = find_lfw(data_home)
    assert [(len(fold), int(fold.same.sum())) for fold in folds] == [(600, 300)] * 10
    for fold in folds:
        assert ((dataset.identities[fold.first] == dataset.identities[fold.second]) == fold.same).all()
    split = lfw_split(dataset, folds)
    assert_nobody_is_in_two_parts(split, dataset)
    assert (len(split.train), len(split.validation), len(split.test)) == (9502, 600, 1200)
    people = split.identities(dataset)
    assert len(people["train"]) == 5749 - len(people["validation"]) - len(people["test"])
