import numpy as np
import pytest

from facesim.evaluation.calibration import fit_calibration, reliability

TRUE = (6.0, -12.0)


def pairs_of(calibration, count=40_000, seed=0):
    """Make pairs, half of them genuine, whose probability is just what the calibration says."""
    random = np.random.default_rng(seed)
    distances = random.uniform(0, 1, count)
    return distances, random.random(count) < 1 / (1 + np.exp(-(calibration[0] + calibration[1] * distances)))


def test_calibration_recovers_the_probability_it_was_made_with():
    distances, same = pairs_of(TRUE)
    fitted = fit_calibration(np.append(distances, np.nan), np.append(same, True), threshold=0.5)
    assert fitted == pytest.approx(TRUE, rel=0.05)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_the_probability_is_a_half_at_the_threshold_wherever_that_lies(threshold):
    intercept, slope = fit_calibration(*pairs_of(TRUE, 2000), threshold)
    assert slope < 0
    assert intercept + slope * threshold == pytest.approx(0, abs=1e-9)


def test_distances_that_know_less_than_nothing_say_a_half():
    distances, same = pairs_of((-6.0, 12.0), 2000)
    assert fit_calibration(distances, same, 0.5) == (0, 0)


def test_a_true_calibration_errs_little_and_its_bins_lie_on_the_diagonal():
    measured = reliability(*pairs_of(TRUE), TRUE)
    assert measured.expected_error < 0.01
    assert measured.observed == pytest.approx(measured.stated, abs=0.04)
    assert measured.pairs.sum() == 40_000


def test_cllr_and_ece_are_plain_loops():
    distances, same = pairs_of(TRUE, 300)
    calibration = (4.0, -10.0)
    ratios = np.exp(calibration[0] + calibration[1] * distances)
    of_genuine = [np.log2(1 + 1 / ratio) for ratio, s in zip(ratios, same, strict=True) if s]
    of_impostors = [np.log2(1 + ratio) for ratio, s in zip(ratios, same, strict=True) if not s]
    measured = reliability(distances, same, calibration)
    assert measured.cllr == pytest.approx((np.mean(of_genuine) + np.mean(of_impostors)) / 2)

    error = 0
    for low in np.arange(10) / 10:
        stated = observed = 0
        for ratio, s in zip(ratios, same, strict=True):
            probability = ratio / (1 + ratio)
            if low <= probability < low + 0.1:
                weight = 0.5 / (same.sum() if s else (~same).sum())
                stated, observed = stated + weight * probability, observed + weight * s
        error += abs(stated - observed)
    assert measured.expected_error == pytest.approx(error)


def test_knowing_nothing_costs_a_bit_and_being_surely_wrong_far_more():
    distances, same = pairs_of(TRUE)
    assert reliability(distances, same, (0.0, 0.0)).cllr == pytest.approx(1)
    assert reliability(distances, same, (-60.0, 120.0)).cllr > 10
    assert reliability(distances, same, TRUE).cllr < 0.75


def test_a_kind_of_pairs_weighs_a_half_however_many_there_are():
    distances, same = np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, False, True, False])
    once = reliability(distances, same, TRUE)
    again = np.tile(np.flatnonzero(~same), 50)
    many = reliability(np.append(distances, distances[again]), np.append(same, same[again]), TRUE)
    assert many.cllr == pytest.approx(once.cllr)
    assert many.expected_error == pytest.approx(once.expected_error)


@pytest.mark.parametrize("same", [np.ones(3, bool), np.zeros(3, bool), np.array([], bool)])
def test_one_kind_of_pairs_cannot_judge(same):
    measured = reliability(np.linspace(0.1, 0.5, len(same)), same, TRUE)
    assert np.isnan(measured.cllr)
    assert np.isnan(measured.expected_error)
    assert not measured.pairs.any()
