import numpy as np

from facesim.data.identities import PhotosByIdentity, rank_within_identity

IDENTITIES = np.array(["Bo", "Ana", "Bo", "Cleo", "Ana", "Bo"])


def test_photos_are_found_by_identity_and_rank():
    grouped = PhotosByIdentity(IDENTITIES)
    assert grouped.numbers.tolist() == [1, 0, 1, 2, 0, 1]
    assert grouped.repeated.tolist() == [0, 1]
    assert grouped.photo(np.array([0, 1, 1, 2]), np.array([1, 0, 2, 0])).tolist() == [4, 0, 5, 3]


def test_ranks_count_within_each_identity_in_the_order_given():
    assert rank_within_identity(IDENTITIES, np.arange(6)).tolist() == [0, 0, 1, 0, 1, 2]
    assert rank_within_identity(IDENTITIES, np.array([5, 4, 3, 2, 1, 0])).tolist() == [2, 1, 1, 0, 0, 0]
