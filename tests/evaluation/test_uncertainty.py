import numpy as np
import pytest
from scipy.stats import binom

from facesim.evaluation.metrics import Rates
from facesim.evaluation.uncertainty import (
    bootstrap_by_identity,
    f1_interval,
    mean_with_error,
    paired_test,
    rate_intervals,
    wilson_interval,
)


def test_wilsons_interval_is_the_one_in_the_books():
    assert wilson_interval(5, 100) == pytest.approx((0.0215, 0.1118), abs=5e-4)  # Newcombe 1998's way of rounding
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 10)[0] == 0 < wilson_interval(0, 10)[1] < 0.3


def test_f1s_interval_holds_it_and_narrows_with_more_pairs():
    few, many = Rates(0.7, 50, 50, 5, 8), Rates(0.7, 5000, 5000, 500, 800)
    for counts in (few, many):
        low, high = f1_interval(counts)
        assert low < counts.f1 < high
    assert np.ptp(f1_interval(many)) < np.ptp(f1_interval(few)) / 5


def test_f1s_interval_is_defined_for_one_kind_of_pairs():
    assert f1_interval(Rates(0.7, 10, 0, 0, 0)) == (1, 1)
    assert np.isnan(f1_interval(Rates(0.7, 0, 0, 0, 0))).all()


def test_f1s_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    truth = 2 * 0.9 / (2 * 0.9 + 0.1 + 0.05)
    covered = 0
    for _ in range(200):
        counts = Rates(0.5, 300, 300, random.binomial(300, 0.05), random.binomial(300, 0.1))
        low, high = f1_interval(counts, draws=1000)
        covered += low <= truth <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_the_error_of_a_mean_is_the_standard_error_not_the_deviation():
    mean, error = mean_with_error([1.0, 2.0, 3.0, 4.0])
    assert mean == 2.5
    assert error == pytest.approx(np.sqrt(5 / 3) / 2)


def right(*kinds):
    """Make which pairs A and B get right, from how many both, only A, only B and neither do."""
    a = np.repeat([True, True, False, False], kinds)
    b = np.repeat([True, False, True, False], kinds)
    return a, b


def test_mcnemars_test_is_exact():
    result = paired_test(*right(80, 3, 12, 5))
    assert (result.only_a_right, result.only_b_right, result.pairs) == (3, 12, 100)
    assert result.p_value == pytest.approx(2 * binom.cdf(3, 15, 0.5))
    assert result.difference == pytest.approx(0.09)
    low, high = result.interval
    assert 0 < low < 0.09 < high


def test_models_that_never_disagree_do_not_differ():
    result = paired_test(*right(90, 0, 0, 10))
    assert (result.p_value, result.difference) == (1, 0)
    assert result.interval[0] < 0 < result.interval[1]
    assert np.isnan(paired_test(*right(0, 0, 0, 0)).difference)


def test_the_interval_of_the_difference_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        result = paired_test(*right(*random.multinomial(400, [0.9, 0.02, 0.05, 0.03])))
        covered += result.interval[0] <= 0.03 <= result.interval[1]
    assert 0.92 <= covered / 500 <= 0.98


def test_the_interval_of_a_rate_by_people_is_wider_than_that_of_independent_pairs():
    """Ten of a hundred people are taken for everybody."""
    first, second = np.triu_indices(100, 1)
    people = np.stack([first, second], axis=1)
    wrong = ((first < 10) | (second < 10))[:, None]
    ((low, high),) = rate_intervals(wrong, people)
    narrow = wilson_interval(int(wrong.sum()), len(wrong))
    assert low < narrow[0] < wrong.mean() < narrow[1] < high


@pytest.mark.parametrize("kind", ["genuine", "impostor"])
def test_the_interval_of_a_rate_by_people_is_that_of_the_bootstrap_of_every_measure(kind):
    random = np.random.default_rng(1)
    people = random.integers(0, 30, (600, 2))
    people[:, 1] = people[:, 0] if kind == "genuine" else (people[:, 0] + 1 + people[:, 1] % 29) % 30
    distances, same = random.uniform(size=600), np.full(600, kind == "genuine")
    rate = "fnmr" if kind == "genuine" else "fmr"
    plain = bootstrap_by_identity(distances, same, people, lambda pairs: {rate: getattr(pairs.rates(0.3), rate)})[rate]
    (fast,) = rate_intervals(((distances < 0.3) != same)[:, None], people)
    assert fast == pytest.approx(plain, abs=0.01)


def test_where_draws_say_nothing_the_interval_is_wilsons():
    people = np.stack([np.arange(50), np.arange(50) + 50], axis=1)
    wrong = np.zeros((50, 2), bool)
    wrong[:, 1] = True
    assert rate_intervals(wrong, people) == [wilson_interval(0, 50), wilson_interval(50, 50)]
    assert rate_intervals(wrong, None) == [wilson_interval(0, 50), wilson_interval(50, 50)]
    assert rate_intervals(np.array([[True], [False]]), np.zeros((2, 2), int)) == [wilson_interval(1, 2)]
