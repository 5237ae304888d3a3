import numpy as np
import pytest
from sklearn.metrics import f1_score

from facesim.errors import FaceSimError
from facesim.evaluation.metrics import (
    best_f1_threshold,
    f1_interval,
    fit_calibration,
    fmr_threshold,
    rates,
    wilson_interval,
)


def random_pairs(seed, count=200, digits=2):
    """Overlapping genuine and impostor distances, rounded so that many tie."""
    random = np.random.default_rng(seed)
    same = random.random(count) < 0.5
    return np.round(np.where(same, random.normal(0.5, 0.2, count), random.normal(0.9, 0.2, count)), digits), same


def plain_f1(distances, same, threshold):
    return f1_score(same, distances < threshold, zero_division=0)


@pytest.mark.parametrize("seed", range(20))
def test_best_threshold_beats_every_other_threshold(seed):
    distances, same = random_pairs(seed)
    best = plain_f1(distances, same, best_f1_threshold(distances, same))
    everywhere = np.concatenate([distances, distances + 1e-6, [10.0]])
    assert best == pytest.approx(max(plain_f1(distances, same, threshold) for threshold in everywhere))


def test_best_threshold_lies_in_the_middle_of_the_gap():
    assert best_f1_threshold(np.array([0.2, 0.3, 0.7, 0.9]), np.array([True, True, False, False])) == pytest.approx(0.5)


def test_best_threshold_when_all_pairs_are_genuine_takes_them_all():
    distances = np.array([0.1, 0.4])
    assert (distances < best_f1_threshold(distances, np.array([True, True]))).all()


def test_no_threshold_without_a_genuine_distance():
    with pytest.raises(FaceSimError, match="no genuine pair"):
        best_f1_threshold(np.array([np.nan, 0.3]), np.array([True, False]))
    with pytest.raises(FaceSimError, match="no genuine pair"):
        best_f1_threshold(np.array([]), np.array([], bool))


def test_photos_without_a_face_are_errors_at_any_threshold():
    distances, same = np.array([np.nan, 0.1, np.nan, 0.9]), np.array([True, True, False, False])
    for threshold in (0.0, best_f1_threshold(distances, same), 5.0):
        counts = rates(distances, same, threshold)
        assert counts.false_non_matches >= 1
        assert counts.false_matches >= 1
    assert rates(distances, same, 0.5).accuracy == 0.5


def test_rates_count_what_a_plain_loop_counts():
    distances, same = random_pairs(3)
    counts = rates(distances, same, 0.7)
    false_matches = sum(1 for d, s in zip(distances, same, strict=True) if d < 0.7 and not s)
    false_non_matches = sum(1 for d, s in zip(distances, same, strict=True) if d >= 0.7 and s)
    assert (counts.false_matches, counts.false_non_matches) == (false_matches, false_non_matches)
    assert counts.f1 == pytest.approx(plain_f1(distances, same, 0.7))
    assert counts.accuracy == pytest.approx(((distances < 0.7) == same).mean())


def test_a_distance_at_the_threshold_is_not_the_same():
    assert rates(np.array([0.5]), np.array([True]), 0.5).false_non_matches == 1


def test_fmr_threshold_keeps_its_promise_and_declines_when_pairs_are_few():
    distances = np.random.default_rng(0).random(10_000)
    threshold = fmr_threshold(distances, 0.01)
    assert (distances < threshold).mean() <= 0.01
    assert (distances < threshold + 1e-3).mean() > 0.01
    assert fmr_threshold(distances[:900], 0.01) is None


def test_calibration_recovers_the_probability_it_was_made_with():
    random = np.random.default_rng(0)
    distances = random.uniform(0, 1, 40_000)
    same = random.random(40_000) < 1 / (1 + np.exp(-(6 - 12 * distances)))
    intercept, slope = fit_calibration(np.append(distances, np.nan), np.append(same, True))
    assert intercept == pytest.approx(6, rel=0.05)
    assert slope == pytest.approx(-12, rel=0.05)


def test_intervals_hold_their_rate_and_narrow_with_more_pairs():
    assert wilson_interval(5, 100) == pytest.approx((0.0215, 0.1118), abs=5e-4)  # Newcombe 1998's way of rounding
    assert wilson_interval(0, 0) == (0, 1)
    few = rates(*random_pairs(1, 100), 0.7)
    many = rates(*random_pairs(1, 10_000), 0.7)
    for counts in (few, many):
        low, high = f1_interval(counts)
        assert low < counts.f1 < high
    assert np.ptp(f1_interval(many)) < np.ptp(f1_interval(few)) / 5
