import dataclasses
from pathlib import Path

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.pairs import Pairs
from facesim.data.split import Split
from facesim.evaluation.model_rates import count_distances, rate_model, rate_validation

IDENTITIES = np.repeat([f"person {i:02}" for i in range(40)], 6)
DATASET = Dataset("made up", Path(), tuple(f"{i}.jpg" for i in range(240)), IDENTITIES)
PLACES = np.random.default_rng(0).normal(np.repeat(np.arange(40.0), 6), 0.02)


def distances(pairs):
    return np.abs(PLACES[pairs.first] - PLACES[pairs.second])


def pairs_of(people):
    first, second = np.array([(6 * p, 6 * q + 1) for p in people for q in people]).T
    return Pairs(first, second, IDENTITIES[first] == IDENTITIES[second])


SPLIT = Split(np.arange(120), pairs_of(range(20, 30)), pairs_of(range(30, 40)), "by hand")


def test_a_photo_that_does_not_count_is_in_no_operating_point(monkeypatch):
    """The same photo under two names would be an impostor pair at no distance."""
    monkeypatch.setitem(globals(), "PLACES", PLACES.copy())
    PLACES[[245 - 60, 239]] = 0.0  # of two test people
    selected = np.ones(240, bool)
    whole, _ = rate_model(distances, DATASET, selected, SPLIT, {})
    selected[[245 - 60, 239]] = False
    better, _ = rate_model(distances, DATASET, selected, SPLIT, {})
    assert whole.operating_points[0].fmr > 0 == better.operating_points[0].fmr
    assert whole.operating_points[0].genuine > better.operating_points[0].genuine


def test_the_threshold_lies_between_the_kinds_of_pairs_that_it_was_chosen_on():
    measured = rate_validation(distances(SPLIT.validation), SPLIT.validation)
    assert measured["validation_f1"] == measured["validation_auc"] == 1
    assert 0.1 < measured["validation_threshold"] < 0.95


def test_the_results_are_those_of_the_test_people():
    info, results = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {"data": "made up"})
    assert results["f1"] == 1
    assert results["test_pairs"] == 100
    assert info.threshold == results["threshold"]
    assert info.trained_on["test_identities"] == [f"person {i}" for i in range(30, 40)]
    assert info.probability(0.0) > 0.9
    assert info.probability(2.0) < 0.1


def test_a_strict_threshold_rests_on_every_impostor_pair_of_the_people_held_out(monkeypatch):
    info, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    everybody = 60 * 59 // 2 - 10 * 15  # ten people with six photos each
    assert {point.impostor for point in info.operating_points} == {everybody}
    monkeypatch.setattr("facesim.evaluation.model_rates.PHOTOS", 4)
    info, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    assert {point.impostor for point in info.operating_points} == {40 * 39 // 2 - 10 * 6}
    monkeypatch.setattr("facesim.evaluation.model_rates.MAX_PAIRS", 10)
    monkeypatch.setattr("facesim.evaluation.model_rates.IMPOSTOR", 600)
    info, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    assert {point.impostor for point in info.operating_points} == {600}


def test_the_threshold_holds_for_pairs_with_a_photo_made_worse_too():
    pairs = SPLIT.validation
    clean, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    changed = distances(pairs) + np.where(pairs.same, 1.2 * clean.threshold, 0)
    both, results = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {}, changed)
    assert changed[pairs.same].max() < both.threshold < distances(pairs)[~pairs.same].min()
    assert clean.threshold < changed[pairs.same].min()
    assert results["f1"] == 1


def test_verdict_and_probability_never_contradict_each_other():
    info, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    for distance in np.linspace(0, 2, 201):
        assert (info.probability(distance) > 0.5) == (distance < info.threshold) or distance == info.threshold


def test_with_a_start_the_threshold_is_held_to_its_own(model):
    start = dataclasses.replace(model.info, threshold=0.5, calibration=(5.0, -10.0))
    alone, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {})
    held, _ = rate_model(distances, DATASET, np.ones(240, bool), SPLIT, {}, start=start)
    assert min(0.5, alone.threshold) <= held.threshold <= max(0.5, alone.threshold)
    assert start.calibration[1] < held.calibration[1] < alone.calibration[1]


def test_a_threshold_goes_no_higher_than_it_may(model):
    start = dataclasses.replace(model.info, threshold=0.5, calibration=(5.0, -10.0))
    few = Split(np.arange(120), pairs_of(range(20, 29)), pairs_of(range(30, 40)), "by hand")
    for split in (SPLIT, few):
        info, results = rate_model(distances, DATASET, np.ones(240, bool), split, {}, start=start, most=0.1)
        assert info.threshold == results["threshold"] == 0.1
        assert info.probability(0.1) == pytest.approx(0.5)


def test_few_people_move_no_threshold_and_support_no_operating_point(model):
    few = Split(np.arange(120), pairs_of(range(20, 29)), pairs_of(range(30, 40)), "by hand")
    info, results = rate_model(distances, DATASET, np.ones(240, bool), few, {}, start=model.info)
    assert (info.threshold, info.calibration) == (model.info.threshold, model.info.calibration)
    assert info.operating_points == ()
    assert results["threshold"] == model.info.threshold
    scratch, _ = rate_model(distances, DATASET, np.ones(240, bool), few, {})
    assert scratch.operating_points == ()


def test_distances_are_counted_and_a_pair_without_a_face_is_farther_than_any_threshold():
    counts = count_distances(np.array([0.0, 0.014, 0.5, 2.0, np.nan]), np.array([1, 1, 0, 0, 1], bool), "made up")
    assert (counts.data, len(counts.genuine), len(counts.impostor)) == ("made up", 200, 200)
    assert {i: count for i, count in enumerate(counts.genuine) if count} == {0: 1, 1: 1, 199: 1}
    assert {i: count for i, count in enumerate(counts.impostor) if count} == {50: 1, 199: 1}
