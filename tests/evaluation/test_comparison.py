import numpy as np
import pytest

from facesim.errors import FaceSimError
from facesim.evaluation.comparison import compare

SAME = np.array([True, True, True, False, False, False])


def test_pairs_that_only_one_model_gets_right_are_those_furthest_apart_first():
    a = np.array([0.1, 0.3, 0.2, 0.9, 0.4, 0.9])  # B's distances are twice as long
    b = np.array([0.2, 2.0, 1.2, 1.8, 1.8, 1.8])
    result = compare(a, b, SAME, (0.5, 1.0))
    assert result.only_a_right.tolist() == [1, 2]
    assert result.only_b_right.tolist() == [4]
    assert (result.test.only_a_right, result.test.only_b_right, result.test.pairs) == (2, 1, 6)
    assert (result.a.rates.accuracy, result.b.rates.accuracy) == (5 / 6, 4 / 6)
    assert result.test.difference == pytest.approx(-1 / 6)


def test_a_pair_without_a_face_is_a_non_match_to_both():
    distances = np.array([0.1, 0.1, np.nan, 0.9, 0.9, np.nan])
    result = compare(distances, distances, SAME, (0.5, 0.5))
    assert result.a.rates.accuracy == 5 / 6
    assert result.test.p_value == 1
    assert not len(result.only_a_right) + len(result.only_b_right)


def test_a_threshold_that_can_call_nothing_the_same_is_refused():
    with pytest.raises(FaceSimError, match="above 0"):
        compare(np.zeros(6), np.zeros(6), SAME, (0.5, 0.0))
