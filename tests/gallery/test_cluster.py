import numpy as np
import pytest

from facesim.gallery.cluster import NEIGHBOURS, cluster


def at(*angles) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_faces_nearer_than_the_threshold_are_one_group_and_others_are_not():
    groups = cluster(at(0, 0.1, 2, 1, 0.05, 1.01), 0.2)
    assert [sorted(group) for group in groups] == [[0, 1, 4], [3, 5], [2]]


def test_one_face_and_none():
    assert [group.tolist() for group in cluster(at(1), 0.2)] == [[0]]
    assert cluster(np.empty((0, 2), np.float32), 0.2) == []


def test_a_look_alike_between_two_people_does_not_make_them_one():
    one, other = np.linspace(0, 0.05, 20), np.linspace(0.4, 0.45, 20)
    groups = cluster(at(*one, *other, 0.225), 0.2)
    assert sorted(map(len, groups))[-2] >= 20
    assert not any({0, 39} <= set(group.tolist()) for group in groups)


def test_every_face_is_in_one_group_however_many_neighbours_it_has():
    faces = at(*np.random.default_rng(0).normal(0, 1e-4, 10 * NEIGHBOURS), *np.linspace(2, 6, 30))
    groups = cluster(faces, 0.1)
    assert sorted(np.concatenate(groups)) == list(range(len(faces)))
    assert len(groups[0]) == 10 * NEIGHBOURS


def test_people_whom_the_model_has_not_seen_are_told_apart(lfw, tmp_path, verifier):
    people = [name for name in sorted(verifier.model.info.trained_on["test_identities"])
              if len(list((lfw / name).iterdir())) >= 5][:8]  # fmt: skip
    if len(people) < 8:
        pytest.skip("this is not all of LFW")
    photos = [photo for name in people for photo in sorted((lfw / name).iterdir())[:5]]
    threshold = min(point.threshold for point in verifier.model.info.operating_points)
    embeddings, failures = verifier.embed(photos)
    assert not failures
    for group in cluster(embeddings, threshold):
        assert len({photos[i].parent for i in group}) == 1
    assert len(cluster(embeddings, threshold)) <= 16
