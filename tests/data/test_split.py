import itertools

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.lfw import find_lfw, lfw_split
from facesim.data.split import halve_by_identity, split_by_identity
from facesim.errors import FaceSimError


def dataset_of(counts, tmp_path):
    identities = np.repeat([f"person {i}" for i in range(len(counts))], counts)
    return Dataset("made up", tmp_path, tuple(f"{i}.jpg" for i in range(len(identities))), identities)


def assert_nobody_is_in_two_parts(split, dataset):
    parts = split.identities(dataset)
    assert all(parts.values())
    for one, other in itertools.combinations(parts.values(), 2):
        assert not one & other


@pytest.mark.parametrize("seed", range(5))
def test_a_folder_is_split_by_identity(tmp_path, seed):
    dataset = dataset_of([3] * 40, tmp_path)
    split = split_by_identity(dataset, seed)
    assert_nobody_is_in_two_parts(split, dataset)
    assert len(split.identities(dataset)["train"]) == 32


def test_the_seed_decides_who_is_where(tmp_path):
    dataset = dataset_of([3] * 40, tmp_path)
    first, again, other = (split_by_identity(dataset, seed).train.tolist() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("counts", [[3] * 5, [1] * 40])
def test_too_few_people_or_photos_are_refused(tmp_path, counts):
    with pytest.raises(FaceSimError):
        split_by_identity(dataset_of(counts, tmp_path), 0)


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
