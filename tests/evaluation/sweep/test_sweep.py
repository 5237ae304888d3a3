import csv

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_curve

from facesim.data.pairs import Pairs
from facesim.errors import FaceSimError
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.sweep.curve import COLUMNS, sweep, write_csv
from facesim.evaluation.sweep.det import det_range, det_ticks, to_deviate
from facesim.evaluation.sweep.worst_errors import photos_without_face, worst_errors


def random_pairs(seed, count=300, digits=2):
    """Overlapping distances, rounded so that many tie, a few of them missing."""
    random = np.random.default_rng(seed)
    same = random.random(count) < 0.5
    distances = np.round(np.where(same, random.normal(0.5, 0.2, count), random.normal(0.9, 0.2, count)), digits)
    return np.where(random.random(count) < 0.03, np.nan, np.abs(distances)), same


def test_every_threshold_counts_what_a_plain_loop_counts():
    distances, same = random_pairs(0)
    swept = sweep(distances, same, 0.7, steps=50)
    for i, threshold in enumerate(swept.thresholds):
        false_matches = sum(1 for d, s in zip(distances, same, strict=True) if d < threshold and not s)
        missed = sum(1 for d, s in zip(distances, same, strict=True) if not d < threshold and s)
        assert (swept.rates.false_matches[i], swept.rates.false_non_matches[i]) == (false_matches, missed)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_the_table_says_what_scikit_learn_says(tmp_path):
    distances, same = random_pairs(1)
    write_csv(sweep(distances, same, 0.7, steps=40).rates, tmp_path / "sweep.csv")
    rows = list(csv.DictReader((tmp_path / "sweep.csv").read_text().splitlines()))
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        called = distances < float(row["threshold"])
        precision, recall, f1, _ = precision_recall_fscore_support(same, called, average="binary", zero_division=np.nan)
        (tn, fp), (fn, tp) = confusion_matrix(same, called)
        assert [int(row[name]) for name in ("TP", "FP", "TN", "FN")] == [tp, fp, tn, fn]
        assert row["precision"] == "" if np.isnan(precision) else float(row["precision"]) == pytest.approx(precision)
        assert (float(row["recall"]), float(row["F1"])) == pytest.approx((recall, np.nan_to_num(f1)))
        assert float(row["accuracy"]) == pytest.approx(accuracy_score(same, called))
        assert (float(row["FMR"]), float(row["FNMR"])) == pytest.approx((fp / (fp + tn), fn / (fn + tp)))


def test_the_stored_and_the_best_threshold_are_among_the_grid_exactly():
    distances, same = random_pairs(2)
    swept = sweep(distances, same, 0.71234567)
    assert swept.thresholds[swept.stored] == 0.71234567
    assert swept.thresholds[swept.best] == SortedDistances.of(distances, same).best_f1_threshold()
    assert swept.rates.f1[swept.best] == np.nanmax(swept.rates.f1)
    assert (np.diff(swept.thresholds) > 0).all()
    assert swept.thresholds[0] == 0
    assert np.nanmax(distances) < swept.thresholds[-1] < 1.02 * np.nanmax(distances)
    assert 1000 <= len(swept.thresholds) <= 1002


def test_a_distance_at_the_threshold_is_called_different():
    swept = sweep(np.array([0.5, 0.5]), np.array([True, False]), 0.5)
    assert (swept.rates.true_matches[swept.stored], swept.rates.false_matches[swept.stored]) == (0, 0)


def test_float32_distances_are_compared_as_they_are():
    distances = np.array([0.3], np.float32)  # a little over 0.3
    assert (
        sweep(distances, np.array([True]), 0.3).rates.true_matches[sweep(distances, np.array([True]), 0.3).stored] == 0
    )
    assert len(worst_errors(distances, np.array([True]), 0.3, 5).false_non_matches) == 1


def test_few_pairs_give_every_corner_of_the_roc():
    distances, same = random_pairs(3, 60)
    distances = np.where(np.isnan(distances), 1, distances)
    fmr, tar, _ = roc_curve(same, -distances, drop_intermediate=False)
    curve = sweep(distances, same, 0.7).curve
    assert set(zip(fmr, tar, strict=True)) == set(zip(curve.fmr, curve.recall, strict=True))


def test_many_pairs_stay_some_hundreds_of_points_to_draw():
    random = np.random.default_rng(4)
    distances, same = random.random(300_000), random.random(300_000) < 0.5
    swept = sweep(distances, same, 0.5)
    assert len(swept.curve.threshold) < 400
    assert len(swept.thresholds) <= 1002
    assert len(swept.edges) <= 81
    assert swept.genuine.sum() == same.sum()
    assert swept.impostor.sum() == (~same).sum()
    assert (swept.curve.fmr[0], swept.curve.fmr[-1]) == (0, 1)


@pytest.mark.parametrize(
    ("distances", "same"),
    [([0.4], [True]), ([0.4], [False]), ([0.4, 0.6], [True, True]), ([np.nan, np.nan], [True, False]), ([0.0], [True])],
)
def test_hardly_any_pairs_still_have_an_answer(distances, same, tmp_path):
    swept = sweep(np.array(distances), np.array(same), 0.5)
    write_csv(swept.rates, tmp_path / "sweep.csv")
    assert "nan" not in (tmp_path / "sweep.csv").read_text()
    assert swept.thresholds[swept.stored] == 0.5
    assert (swept.best is None) == (not (np.array(same) & ~np.isnan(distances)).any())
    assert len(swept.genuine) == len(swept.impostor) == len(swept.edges) - 1


def test_arrays_of_two_lengths_are_refused():
    with pytest.raises(FaceSimError, match="one length"):
        sweep(np.array([0.1, 0.2]), np.array([True]), 0.5)


def test_the_worst_errors_come_first_and_no_others():
    distances = np.array([0.3, 0.1, 0.9, 0.2, 0.6, 0.7, np.nan, np.nan, 0.2])
    same = np.array([False, False, False, True, True, True, True, False, False])
    worst = worst_errors(distances, same, 0.5, 2)
    assert worst.false_matches.tolist() == [1, 8]
    assert worst.false_non_matches.tolist() == [5, 4]
    assert worst_errors(distances, same, 0.5, 10).false_matches.tolist() == [1, 8, 0]
    assert len(worst_errors(distances, same, 0.5, 0).false_matches) == 0


def test_photos_without_a_face_are_those_of_the_pairs_the_busiest_first():
    pairs = Pairs(np.array([0, 1, 3]), np.array([3, 2, 1]), np.array([True, True, False]))
    assert photos_without_face(pairs, np.array([False, True, True, False, False])).tolist() == [3, 0]


def test_normal_deviates_draw_two_normal_distributions_as_a_line():
    from scipy.stats import norm

    thresholds = np.linspace(-1, 2, 20)
    low, high = det_range(10_000, 0.1)
    x, y = to_deviate(norm.cdf(thresholds - 2), 1e-9, 1 - 1e-9), to_deviate(norm.sf(thresholds), 1e-9, 1 - 1e-9)
    assert np.diff(y) / np.diff(x) == pytest.approx(-1)
    assert to_deviate(np.array([0.0]), low, high) == norm.ppf(low)
    assert list(det_ticks(low, high).values())[:2] == ["0.01", "0.1"]
