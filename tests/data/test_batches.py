import numpy as np
import pytest

from facesim.data.batches import IdentityBatches, sample_triplets

# ten people with three photos, two with five, twenty with one
IDENTITIES = np.repeat([f"person {i:02}" for i in range(32)], [3] * 10 + [5] * 2 + [1] * 20)


@pytest.mark.parametrize(("people", "photos", "singles"), [(4, 2, 0), (4, 3, 6), (50, 2, 30)])
def test_a_batch_holds_p_identities_with_k_photos_and_some_with_one(people, photos, singles):
    batches = IdentityBatches(IDENTITIES, people, photos, singles)
    drawn = list(batches.draw(seed=0))
    assert len(drawn) == len(batches) > 0
    for (rows,) in drawn:
        assert len(set(rows.tolist())) == len(rows)
        names, counts = np.unique(IDENTITIES[rows], return_counts=True)
        owned = {name: (name == IDENTITIES).sum() for name in names}
        several = [count for name, count in zip(names, counts, strict=True) if owned[name] > 1]
        assert 1 <= len(several) <= min(people, 12)
        assert all(count == min(photos, 3) for count in several)
        assert len(counts) - len(several) == min(singles, 20)


def test_an_epoch_meets_everybody_who_has_two_photos():
    batches = IdentityBatches(IDENTITIES, 4, 2, 0)
    met = np.concatenate([IDENTITIES[rows] for (rows,) in batches.draw(seed=3)])
    assert set(met) == {f"person {i:02}" for i in range(12)}


def test_the_shares_of_several_processes_are_one_batch_and_split_no_identity():
    batches = IdentityBatches(IDENTITIES, 6, 2, 5)
    whole = list(batches.draw(7))
    for (rows,), (first, second) in zip(whole, batches.draw(7, shares=2), strict=True):
        assert sorted(rows) == sorted(np.concatenate([first, second]))
        assert not set(IDENTITIES[first]) & set(IDENTITIES[second])
        assert abs(len(first) - len(second)) <= 2


def test_the_seed_decides_the_batches():
    batches = IdentityBatches(IDENTITIES, 4, 2, 3)
    first, again, other = ([rows.tolist() for (rows,) in batches.draw(seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_triplets_are_two_photos_of_one_person_and_one_of_another():
    anchors, genuine, impostors = sample_triplets(IDENTITIES, 1000, seed=0)
    assert (anchors != genuine).all()
    assert (IDENTITIES[anchors] == IDENTITIES[genuine]).all()
    assert (IDENTITIES[anchors] != IDENTITIES[impostors]).all()
    _, counts = np.unique(IDENTITIES[anchors], return_counts=True)
    assert len(counts) == 12
    assert counts.max() < 2 * counts.min(), "those with many photos own the triplets"
    assert len(np.unique(impostors)) == len(IDENTITIES)
