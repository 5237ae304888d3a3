"""What a model gains over its start, on pairs whose errors are known."""

import numpy as np
import pytest

from facesim.data.pairs import all_pairs
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.gain import gain

PEOPLE = np.repeat(np.arange(12), 4)


def measured(missed, people=PEOPLE):
    """All pairs, at distance 0 if they are genuine, else at 1; those of the people `missed` lie at 1, too."""
    pairs = all_pairs(people)
    apart = ~pairs.same | np.isin(people[pairs.first], missed)
    return MeasuredPairs(apart.astype(float), pairs.same, pairs.people(people))


def test_a_gain_is_sure_if_it_does_not_rest_on_one_person():
    one = gain(measured([0]), measured([]), (0.5, 0.5))
    most = gain(measured(range(8)), measured([]), (0.5, 0.5))
    assert one.f1 == pytest.approx(1 - 2 * (11 / 12) / (2 - 1 / 12))
    assert one.interval[0] == 0
    assert not one.is_sure
    assert most.is_sure
    assert not gain(measured([]), measured(range(8)), (0.5, 0.5)).is_sure
    assert gain(measured([3]), measured([3]), (0.5, 0.7)).interval == (0, 0)


def test_each_model_has_its_own_threshold():
    assert gain(measured([]), measured([]), (1.5, 0.5)).f1 == pytest.approx(1 - 2 / 3)


def test_of_nine_people_nothing_is_sure():
    few = np.repeat(np.arange(9), 4)
    found = gain(measured(range(8), few), measured([], few), (0.5, 0.5))
    assert found.f1 > 0.5
    assert found.interval is None
    assert not found.is_sure
    assert "9 people with two photos or more (10 are needed)" in found.lacking
