"""The strangers that a trained model is tested on."""

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.source import Source
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import people_seen
from facesim.training.reference import ReferenceRates, highest_threshold, open_reference, rate_reference
from facesim.training.settings import Settings


def source_of(names, tmp_path):
    identities = np.repeat(names, 3)
    photos = tuple(f"{i}.jpg" for i in range(len(identities)))
    dataset = Dataset("photos", tmp_path, photos, identities)
    return Source((dataset,), dataset, np.ones(len(photos), bool), ())


@pytest.fixture
def folder(tmp_path):
    """Twenty people, called a to t, with three photos each."""
    for name in "abcdefghijklmnopqrst":
        (tmp_path / "others" / name).mkdir(parents=True)
        for photo in range(3):
            (tmp_path / "others" / name / f"{photo}.jpg").touch()
    return tmp_path / "others"


def test_nobody_of_the_run_is_a_stranger(folder, tmp_path):
    reference = open_reference(Settings(reference=str(folder)), source_of(["B", "c"], tmp_path))
    assert set(reference.dataset.identities) == set("adefghijklmnopqrst")
    assert len(reference.dataset.photos) == 18 * 2
    assert len(reference.pairs) == 36 * 35 // 2


def test_nobody_whom_the_start_has_seen_is_a_stranger(lfw_by_name, tmp_path, model):
    reference = open_reference(Settings(), source_of(["Ana"], tmp_path))
    assert reference.name == "lfw"
    assert not people_seen(model.info, reference.dataset)
    assert (len(reference.dataset.photos), int(reference.pairs.same.sum())) == (300, 150)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(reference="none"),
        Settings(reference="lfw"),  # which is not there
        Settings(folds=5),
        Settings.best(backbone="small"),  # it has no start to compare with
    ],
)
def test_there_may_be_none(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(tmp_path))
    assert open_reference(settings, source_of(["Ana"], tmp_path)) is None
    assert not list(tmp_path.iterdir())


def test_too_few_strangers_are_refused(folder, tmp_path):
    with pytest.raises(FaceSimError, match=r"holds 9 people with two photos .* and 10 are needed"):
        open_reference(Settings(reference=str(folder)), source_of(list("abcdefghijk"), tmp_path))


def test_a_rate_within_the_interval_of_the_start_is_no_worse():
    start = ReferenceRates(0.01, (0.005, 0.02), 0.0, (0.0, 0.03))
    assert not ReferenceRates(0.02, (0.01, 0.03), 0.03, (0.01, 0.05)).worse_than(start)
    assert ReferenceRates(0.021, (0.01, 0.03), 0.0, (0.0, 0.03)).worse_than(start)
    assert ReferenceRates(0.0, (0.0, 0.01), 0.031, (0.01, 0.05)).worse_than(start)


def test_the_highest_threshold_lets_no_more_strangers_match_than_the_start_may(folder, tmp_path):
    reference = open_reference(Settings(reference=str(folder)), source_of(["Ana"], tmp_path))
    same = reference.pairs.same
    distances = np.where(same, 0.1, np.random.default_rng(0).uniform(0.2, 1, len(same)))
    start = rate_reference(reference, distances, 0.24)
    assert (start.fnmr, start.fmr) == (0, (distances[~same] < 0.24).mean())
    assert start.fmr_interval[0] < start.fmr < start.fmr_interval[1]
    highest = highest_threshold(reference, distances, start)
    assert highest > 0.24
    assert (distances[~same] < highest).mean() == pytest.approx(start.fmr_interval[1], abs=1 / (~same).sum())
