import json

import numpy as np
import pytest

from facesim.errors import FaceSimError
from facesim.evaluation.formatting import as_dict
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.summary import rate_folds, summarise
from facesim.evaluation.uncertainty import bootstrap_by_identity

CALIBRATION = (10.0, -20.0)


def pairs_of(count=2000, seed=0, missing=20):
    random = np.random.default_rng(seed)
    same = np.arange(count) % 2 == 0
    distances = np.where(same, random.normal(0.4, 0.1, count), random.normal(0.6, 0.1, count))
    distances[:missing] = np.nan
    return distances, same


def test_a_summary_agrees_with_itself_and_counts_failures_twice_over():
    distances, same = pairs_of()
    summary = summarise(distances, same, 0.5, CALIBRATION)
    assert (summary.genuine_without_face, summary.impostor_without_face) == (10, 10)
    assert summary.strict.false_matches == summary.rates.false_matches + 10
    assert summary.strict.false_non_matches == summary.rates.false_non_matches
    for value, (low, high) in (
        (summary.rates.f1, summary.f1_interval),
        (summary.rates.accuracy, summary.accuracy_interval),
        (summary.rates.fmr, summary.fmr_interval),
        (summary.rates.fnmr, summary.fnmr_interval),
        (summary.auc, summary.auc_interval),
        (summary.eer, summary.eer_interval),
        (summary.tars[0.01].tar, summary.tar_intervals[0.01]),
    ):
        assert low < value < high
    assert summary.tars[0.001] is None


def test_tar_is_stated_at_stricter_rates_where_enough_pairs_support_them():
    same = np.arange(101_000) < 1000
    distances = np.where(same, 0.5, np.linspace(0.4, 1.4, 101_000))
    assert list(summarise(*pairs_of(), 0.5, CALIBRATION).tars) == [0.01, 0.001]
    tars = summarise(distances, same, 0.5, CALIBRATION).tars
    assert list(tars) == [0.01, 0.001, 0.0001]
    assert tars[0.0001].threshold == distances[1000 + 10]


@pytest.mark.parametrize(
    ("distances", "same"),
    [
        ([], []),
        ([0.1], [True]),
        ([0.1, 0.2], [True, True]),
        ([0.1, 0.2], [False, False]),
        ([np.nan, np.nan], [True, False]),
    ],
)
def test_what_cannot_be_said_is_null_in_json(distances, same):
    summary = summarise(np.array(distances, float), np.array(same, bool), 0.5, CALIBRATION)
    said = json.loads(json.dumps(as_dict(summary), allow_nan=False))
    both = len(set(same)) == 2
    assert (said["auc"] is None) == (not both)
    assert said["rates"]["genuine"] == sum(same)


def test_each_fold_is_judged_at_the_threshold_that_the_others_choose():
    distances, same = pairs_of(missing=0)
    folds = np.arange(2000) // 200
    distances[folds == 3] += 0.3  # a fold unlike the others must not choose for itself
    measured = rate_folds(distances, same, folds)
    for fold, rates in enumerate(measured.folds):
        others = folds != fold
        chosen = SortedDistances.of(distances[others], same[others]).best_accuracy_threshold()
        assert rates.threshold == chosen
        called = distances[~others] < chosen
        assert rates.accuracy == pytest.approx((called == same[~others]).mean())
    assert measured.folds[3].fnmr > 0.8
    accuracies = [rates.accuracy for rates in measured.folds]
    assert measured.mean("accuracy") == pytest.approx((np.mean(accuracies), np.std(accuracies, ddof=1) / np.sqrt(10)))


def test_one_fold_has_no_others():
    with pytest.raises(FaceSimError, match="two are needed"):
        rate_folds(*pairs_of(), np.zeros(2000))


def test_an_interval_by_people_is_wider_than_one_by_pairs_where_people_are_few():
    """Ten people, each as far from himself as his own luck has it: two hundred pairs say little more than ten."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(10), 20)
    distances = np.append(random.normal(0.4, 0.1, 10)[person], random.normal(0.6, 0.1, 200))
    same = np.arange(400) < 200
    people = np.stack([np.append(person, np.arange(200) % 10), np.append(person, (np.arange(200) + 3) % 10)], axis=1)

    def auc(pairs):
        return {"AUC": pairs.auc()}

    by_people = bootstrap_by_identity(distances, same, people, auc)["AUC"]
    by_pairs = bootstrap_by_identity(distances, same, None, auc)["AUC"]
    assert np.ptp(by_people) > 2 * np.ptp(by_pairs)
    assert by_people[0] < SortedDistances.of(distances, same).auc() < by_people[1]
