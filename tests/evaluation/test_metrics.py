import itertools

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support, roc_auc_score

from facesim.errors import FaceSimError
from facesim.evaluation.metrics import SortedDistances, failures_as_errors

NO_BOOLS = np.array([], bool)


def random_pairs(seed, count=200, digits=2, missing=0.0):
    """Overlapping genuine and impostor distances, rounded so that many tie; a share of them is missing."""
    random = np.random.default_rng(seed)
    same = random.random(count) < 0.5
    distances = np.round(np.where(same, random.normal(0.5, 0.2, count), random.normal(0.9, 0.2, count)), digits)
    distances[random.random(count) < missing] = np.nan
    return distances, same


def every_threshold(distances):
    found = distances[~np.isnan(distances)]
    return np.unique(np.concatenate([found, found + 1e-6, [0.0, 10.0]]))


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(20))
def test_the_best_thresholds_beat_every_other_threshold(seed, missing):
    distances, same = random_pairs(seed, missing=missing)
    pairs = SortedDistances.of(distances, same)
    for measure, best in ((f1_score, pairs.best_f1_threshold()), (accuracy_score, pairs.best_accuracy_threshold())):
        reached = measure(same, distances < best)
        assert reached == pytest.approx(max(measure(same, distances < t) for t in every_threshold(distances)))


@pytest.mark.parametrize("seed", range(20))
def test_with_failures_as_errors_too_the_best_threshold_is_the_best(seed):
    distances, same = random_pairs(seed, missing=0.2)
    pairs = SortedDistances.of(failures_as_errors(distances, same), same)
    for measure, best in (("f1", pairs.best_f1_threshold()), ("accuracy", pairs.best_accuracy_threshold())):
        reached = getattr(pairs.rates(best), measure)
        assert reached == pytest.approx(getattr(pairs.curve(every_threshold(distances)), measure).max())


def test_the_best_threshold_lies_in_the_middle_of_the_gap():
    pairs = SortedDistances.of([0.2, 0.3, 0.7, 0.9], [True, True, False, False])
    assert pairs.best_f1_threshold() == pytest.approx(0.5)
    assert pairs.best_accuracy_threshold() == pytest.approx(0.5)


def test_of_equally_good_gaps_the_widest_is_taken():
    pairs = SortedDistances.of([0.1, 0.2, 0.5, 0.9], [True, False, True, False])
    assert pairs.rates(0.15).accuracy == pairs.rates(0.7).accuracy
    assert pairs.best_accuracy_threshold() == pytest.approx(0.7)


def test_the_best_threshold_when_all_pairs_are_genuine_takes_them_all():
    pairs = SortedDistances.of([0.1, 0.4], [True, True])
    assert pairs.rates(pairs.best_f1_threshold()).false_non_matches == 0
    assert pairs.rates(pairs.best_accuracy_threshold()).accuracy == 1


def test_where_calling_none_the_same_is_best_the_most_accurate_threshold_says_so():
    assert SortedDistances.of([0.3, 0.1, 0.2], [True, False, False]).best_accuracy_threshold() == 0
    assert SortedDistances.of([0.1, 0.2], [False, False]).best_accuracy_threshold() == 0


@pytest.mark.parametrize(("distances", "same"), [([np.nan, 0.3], [True, False]), ([], NO_BOOLS), ([0.1], [False])])
def test_no_best_f1_threshold_without_a_genuine_distance(distances, same):
    with pytest.raises(FaceSimError, match="no genuine pair"):
        SortedDistances.of(distances, same).best_f1_threshold()


def test_a_pair_without_a_face_is_a_non_match_at_every_threshold():
    pairs = SortedDistances.of([np.nan, 0.1, np.nan, 0.9], [True, True, False, False])
    for threshold in (0.0, 0.5, 5.0, np.inf):
        counts = pairs.rates(threshold)
        assert counts.false_non_matches >= 1
        assert counts.true_non_matches >= 1
    assert pairs.rates(0.5).accuracy == 0.75


def test_as_errors_pairs_without_a_face_are_errors_at_every_threshold():
    distances, same = np.array([np.nan, 0.1, np.nan, 0.9]), np.array([True, True, False, False])
    pairs = SortedDistances.of(failures_as_errors(distances, same), same)
    for threshold in (0.0, pairs.best_f1_threshold(), 5.0):
        counts = pairs.rates(threshold)
        assert counts.false_non_matches >= 1
        assert counts.false_matches >= 1
    assert pairs.rates(0.5).accuracy == 0.5


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.7, 2.0])
def test_rates_are_scikit_learns_and_a_plain_loops(threshold):
    distances, same = random_pairs(3)
    counts = SortedDistances.of(distances, same).rates(threshold)
    called = [distance < threshold for distance in distances]
    assert counts.false_matches == sum(c and not s for c, s in zip(called, same, strict=True))
    assert counts.false_non_matches == sum(s and not c for c, s in zip(called, same, strict=True))
    precision, recall, f1, _ = precision_recall_fscore_support(same, called, average="binary", zero_division=np.nan)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((precision, recall, f1), nan_ok=True)
    assert counts.accuracy == pytest.approx(accuracy_score(same, called))
    assert counts.fmr == pytest.approx(counts.false_matches / (~same).sum())
    assert counts.fnmr == pytest.approx(1 - recall)


def test_rates_at_many_thresholds_are_those_at_each():
    pairs = SortedDistances.of(*random_pairs(4))
    thresholds = np.linspace(0, 2, 50)
    together = pairs.curve(thresholds)
    for i, threshold in enumerate(thresholds):
        alone = pairs.rates(threshold)
        for measure in ("threshold", "false_matches", "true_matches", "f1", "precision", "fmr", "fnmr", "accuracy"):
            assert np.array_equal(getattr(together, measure)[i], getattr(alone, measure), equal_nan=True)


def test_a_distance_at_the_threshold_is_not_the_same():
    assert SortedDistances.of([0.5], [True]).rates(0.5).false_non_matches == 1


@pytest.mark.parametrize("seed", range(10))
def test_auc_is_scikit_learns_and_a_plain_loops(seed):
    distances, same = random_pairs(seed, missing=0.1)
    far = np.where(np.isnan(distances), 99.0, distances)  # a non-match is the farthest of all, and equals another
    auc = SortedDistances.of(distances, same).auc()
    assert auc == pytest.approx(roc_auc_score(same, -far), abs=1e-12)
    wins = [1.0 if g < i else 0.5 if g == i else 0.0 for g in far[same] for i in far[~same]]
    assert auc == pytest.approx(np.mean(wins), abs=1e-12)


def test_auc_of_failures_as_errors_is_scikit_learns():
    distances, same = random_pairs(0, missing=0.2)
    wrong = failures_as_errors(distances, same)
    expected = roc_auc_score(same, -np.clip(wrong, -9, 9))
    assert SortedDistances.of(wrong, same).auc() == pytest.approx(expected, abs=1e-12)


def eer_of_the_corners(distances, same):
    """Walk the ROC from corner to corner until FMR has overtaken FNMR."""
    at = [(0.0, 1.0)]
    for value in np.unique(distances[~np.isnan(distances)]):
        called = distances <= value
        at.append(((called & ~same).sum() / (~same).sum(), (~called & same).sum() / same.sum()))
    for (fmr1, fnmr1), (fmr2, fnmr2) in itertools.pairwise(at):
        if fmr2 >= fnmr2:
            share = (fnmr1 - fmr1) / ((fmr2 - fmr1) + (fnmr1 - fnmr2))
            return fmr1 + share * (fmr2 - fmr1)
    return np.nan


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("digits", [1, 2, 9])
@pytest.mark.parametrize("seed", range(5))
def test_eer_is_where_the_roc_crosses_the_diagonal(seed, digits, missing):
    distances, same = random_pairs(seed, digits=digits, missing=missing)
    expected = eer_of_the_corners(distances, same)
    assert SortedDistances.of(distances, same).eer() == pytest.approx(expected, nan_ok=True)


def test_pairs_told_apart_perfectly_have_no_errors():
    pairs = SortedDistances.of([0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    assert (pairs.auc(), pairs.eer()) == (1, 0)
    pairs = SortedDistances.of([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert (pairs.auc(), pairs.eer()) == (0, 1)


@pytest.mark.parametrize(("distances", "same"), [([], NO_BOOLS), ([0.1], [True]), ([0.1, np.nan], [False, False])])
def test_what_one_kind_of_pairs_cannot_say_is_not_a_number(distances, same):
    pairs = SortedDistances.of(distances, same)
    assert np.isnan([pairs.auc(), pairs.eer()]).all()
    assert pairs.tar(0.01) is None
    counts = pairs.rates(0.5)
    assert np.isnan(counts.fmr) == (counts.impostor == 0)
    assert np.isnan(counts.fnmr) == (counts.genuine == 0)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(FaceSimError, match="one length"):
        SortedDistances.of([0.1, 0.2], [True])


def test_tar_is_taken_at_the_largest_threshold_that_keeps_the_fmr():
    distances, same = random_pairs(0, 20_000, digits=4)
    tar = SortedDistances.of(distances, same).tar(0.01)
    assert (distances[~same] < tar.threshold).mean() <= 0.01
    assert (distances[~same] < tar.threshold + 2e-3).mean() > 0.01
    assert tar.tar == (distances[same] < tar.threshold).mean()


def test_tar_declines_where_impostor_pairs_are_few_and_counts_those_without_a_face():
    impostors = np.random.default_rng(0).random(1000)
    same = np.zeros(1000, bool)
    assert SortedDistances.of(impostors[:999], same[:999]).tar(0.01) is None
    assert SortedDistances.of(impostors, same).tar(0.01).threshold == np.sort(impostors)[10]
    impostors[:995] = np.nan
    assert SortedDistances.of(impostors, same).tar(0.01).threshold == np.inf
