from itertools import combinations

import numpy as np
import pytest

from facesim.data.pairs import Pairs, all_pairs, sample_pairs
from facesim.errors import FaceSimError

IDENTITIES = np.repeat(["Bush", "Ana", "Bo", "Cy", "Di"], [500, 4, 3, 2, 1])


def test_pairs_are_distinct_and_labelled_by_identity():
    pairs = sample_pairs(IDENTITIES, genuine=40, impostor=200, seed=1)
    assert len({(a, b) for a, b in zip(pairs.first, pairs.second, strict=True)}) == len(pairs) == 240
    assert (pairs.first < pairs.second).all()
    assert ((IDENTITIES[pairs.first] == IDENTITIES[pairs.second]) == pairs.same).all()
    assert pairs.same.sum() == 40


def test_a_person_with_many_photos_does_not_own_the_pairs():
    pairs = sample_pairs(IDENTITIES, genuine=8, impostor=500, seed=2)
    assert (IDENTITIES[pairs.first[pairs.same]] == "Bush").mean() <= 0.6
    with_bush = (IDENTITIES[pairs.first] == "Bush") | (IDENTITIES[pairs.second] == "Bush")
    assert with_bush[~pairs.same].mean() < 0.99  # drawing photos instead of people: 98 % of first photos alone


def test_equal_seeds_draw_equal_pairs():
    one, two, other = (sample_pairs(IDENTITIES, 20, 20, seed) for seed in (3, 3, 4))
    assert (one.first == two.first).all()
    assert (one.second == two.second).all()
    assert (one.first != other.first).any()


def test_what_there_is_is_returned_when_more_is_asked_for():
    pairs = sample_pairs(np.array(["a", "a", "b"]), genuine=10, impostor=10, seed=0)
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == {(0, 1), (0, 2), (1, 2)}


@pytest.mark.parametrize("identities", [["a", "b"], ["a", "a"], []])
def test_no_pairs_where_none_can_be(identities):
    with pytest.raises(FaceSimError, match="two identities"):
        sample_pairs(np.array(identities), 1, 1, 0)


def test_distances_are_those_of_the_photos_named():
    pairs = Pairs(np.array([7, 2]), np.array([2, 9]), np.array([True, False]))
    embeddings = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    assert pairs.photos().tolist() == [2, 7, 9]
    assert pairs.distances(pairs.photos(), embeddings).tolist() == [5.0, 1.0]


def test_all_pairs_are_every_two_photos_once():
    pairs = all_pairs(IDENTITIES[-10:])
    assert list(zip(pairs.first, pairs.second, strict=True)) == list(combinations(range(10), 2))
    assert pairs.same.sum() == 6 + 3 + 1  # four of Ana, three of Bo, two of Cy


def test_distances_are_the_same_however_many_pairs_are_measured_at_once(monkeypatch):
    pairs, embeddings = all_pairs(IDENTITIES[-10:]), np.random.default_rng(0).normal(size=(10, 4))
    at_once = pairs.distances(np.arange(10), embeddings)
    monkeypatch.setattr("facesim.data.pairs._BLOCK", 7)
    assert np.array_equal(pairs.distances(np.arange(10), embeddings), at_once)
