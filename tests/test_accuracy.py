"""The model that ships, on photos of people it never saw; `benchmarks/accuracy.py` judges it on all of them."""

import numpy as np
import pytest

from facesim.data.dataset import read_folder
from facesim.data.lfw import find_lfw, lfw_split
from facesim.data.pairs import Pairs, sample_pairs
from facesim.evaluation.metrics import SortedDistances, failures_as_errors

PAIRS = 200


def sampled(pairs: Pairs) -> Pairs:
    rows = np.random.default_rng(0).choice(len(pairs), PAIRS, replace=False)
    return Pairs(pairs.first[rows], pairs.second[rows], pairs.same[rows])


def f1_of(verifier, dataset, pairs) -> float:
    photos, paths = pairs.photos(), dataset.paths()
    embeddings, _ = verifier.embed([paths[photo] for photo in photos])
    distances = failures_as_errors(pairs.distances(photos, embeddings), pairs.same)
    return SortedDistances.of(distances, pairs.same).rates(verifier.threshold).f1


@pytest.mark.slow
def test_it_verifies_lfws_test_people_whom_its_file_names(verifier, data_home):
    dataset, folds = find_lfw(data_home)
    split = lfw_split(dataset, folds)
    assert set(verifier.model.info.trained_on["test_identities"]) == split.identities(dataset)["test"]
    assert f1_of(verifier, dataset, sampled(split.test)) > 0.98


@pytest.mark.slow
def test_it_verifies_people_from_elsewhere(verifier, data_home):
    if not (data_home / "pins").is_dir():
        pytest.skip(f"no Pins in {data_home}")
    dataset = read_folder(data_home / "pins")
    assert f1_of(verifier, dataset, sample_pairs(dataset.identities, PAIRS // 2, PAIRS // 2, seed=0)) > 0.93
