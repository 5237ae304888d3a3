import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from facesim.detector.box import Box
from facesim.gallery.cluster import GROWTH, NEIGHBOURS, SMALL_FMR, cluster, group_rows, threshold_for
from facesim.gallery.rows import FaceRow


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


def sorted_groups(groups) -> list[list[int]]:
    return sorted(sorted(group.tolist()) for group in groups)


def test_two_faces_of_one_photo_are_two_people_and_the_weakest_links_are_cut():
    faces = at(0, 0.02, 0.05, 0.14, 0.16, 0.18)  # without photos, all are linked
    assert sorted_groups(cluster(faces, 0.2)) == [[0, 1, 2, 3, 4, 5]]
    assert sorted_groups(cluster(faces, 0.2, ["a", "b", "c", "a", "b", "d"])) == [[0, 1, 2], [3, 4, 5]]
    assert sorted_groups(cluster(faces, 0.2, ["a", "b", "c", "a", "c", "c"])) == [[0, 1, 2], [3, 4], [5]]
    assert sorted_groups(cluster(faces, 0.2, ["a"] * 6)) == [[i] for i in range(6)]


def test_groups_without_two_faces_of_one_photo_stay_as_they_are():
    faces = at(*np.random.default_rng(1).normal(0, 0.3, 60), *np.linspace(2, 4, 40))
    everywhere = [f"{i}.jpg" for i in range(100)]
    assert sorted_groups(cluster(faces, 0.05, everywhere)) == sorted_groups(cluster(faces, 0.05))
    assert cluster(np.empty((0, 2), np.float32), 0.2, []) == []


def test_no_group_has_two_faces_of_one_photo_whatever_the_faces():
    random = np.random.default_rng(2)
    faces, photos = at(*random.normal(0, 0.5, 400)), [f"{i}" for i in random.integers(0, 60, 400)]
    for threshold in (0.01, 0.1, 1, 2):
        groups = cluster(faces, threshold, photos)
        assert sorted(np.concatenate(groups)) == list(range(400))
        assert all(len({photos[i] for i in group}) == len(group) for group in groups)


def test_a_face_that_has_been_enrolled_and_embedded_is_one_face():
    left, right = Box(0, 0, 100, 100), Box(200, 0, 300, 100)
    seen = (
        ("a", None, 0, left),
        ("a", "Ana", 0.001, Box(1, 1, 101, 101)),
        ("a", None, 0.1, right),
        ("b", None, 0.01, left),
    )
    rows = [FaceRow(photo, 0, name, embedding, box) for (photo, name, angle, box) in seen for embedding in at(angle)]
    assert [[(row.photo, row.name, row.box.left) for row in group] for group in group_rows(rows, 0.2)] == [
        [("a", None, 0), ("a", "Ana", 1), ("b", None, 0)],
        [("a", None, 200)],
    ]
    assert list(map(len, group_rows(rows, 0.2, allow_twice=True))) == [4]


def test_people_side_by_side_on_group_photos_are_separated_better(lfw, verifier):
    people = [name for name in sorted(verifier.model.info.trained_on["test_identities"])
              if len(list((lfw / name).iterdir())) >= 4][:9]  # fmt: skip
    if len(people) < 9:
        pytest.skip("this is not all of LFW")
    embeddings, shown, photos = [], [], []
    for number in range(12):
        together = people[number % 3 :: 3]  # three people, four times
        photo = Image.new("RGB", (750, 250))
        for place, name in enumerate(together):
            with Image.open(sorted((lfw / name).iterdir())[number // 3]) as one:
                photo.paste(one, (250 * place, 0))
        found = verifier.embed_faces(photo, "all")
        for face, embedding in zip(*found, strict=True):
            embeddings.append(embedding)
            shown.append(together[(face.box.left + face.box.right) // 500])
            photos.append(f"{number}")

    def pairs(photo_of) -> tuple[int, int]:
        """Return how many pairs of faces are rightly and how many are wrongly in one group."""
        groups = cluster(np.array(embeddings), 0.6, photo_of)  # at a threshold at which many people look alike
        same = [shown[i] == shown[j] for group in groups for i, j in itertools.combinations(group, 2)]
        return sum(same), len(same) - sum(same)

    (right, wrong), (right_before, wrong_before) = pairs(photos), pairs(None)
    genuine = sum(one == other for one, other in itertools.combinations(shown, 2))
    assert wrong < wrong_before / 2
    assert 2 * right / (right + wrong + genuine) > 2 * right_before / (right_before + wrong_before + genuine)


def test_the_threshold_falls_as_the_faces_grow_in_number_by_the_models_false_match_rates(model):
    sizes = (1, 50, 500, 5000, 50_000, 5_000_000)
    thresholds = [threshold_for(model.info, size) for size in sizes]
    strictest = min(point.threshold for point in model.info.operating_points)
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] <= model.info.threshold
    assert thresholds[2] > strictest > thresholds[4] > strictest / 2
    point = next(point for point in model.info.operating_points if point.name == "FMR 0.1 %")
    faces = 50 * (SMALL_FMR / point.fmr) ** (1 / GROWTH)
    assert threshold_for(model.info, faces) == pytest.approx(point.threshold)


def test_a_model_that_keeps_few_points_or_none_has_a_threshold_all_the_same(model):
    best = model.info.operating_points[0]
    for points in ((), (best,), (best, best), (dataclasses.replace(best, fmr=0.0, impostor=0),) * 2):
        info = dataclasses.replace(model.info, operating_points=points)
        assert threshold_for(info, 100) == model.info.threshold


def test_fewer_faces_of_a_small_collection_are_left_alone_than_by_the_strictest_threshold(verifier, data_home):
    if not (data_home / "pins").is_dir():
        pytest.skip(f"no Pins in {data_home}")
    people = [person for person in sorted((data_home / "pins").iterdir()) if person.is_dir()][:5]
    embeddings, _ = verifier.embed([photo for person in people for photo in sorted(person.iterdir())[:15]])
    embeddings = embeddings[~np.isnan(embeddings).any(axis=1)]
    strictest = min(point.threshold for point in verifier.model.info.operating_points)
    alone = [
        sum(len(group) == 1 for group in cluster(embeddings, threshold))
        for threshold in (threshold_for(verifier.model.info, len(embeddings)), strictest)
    ]
    assert alone[0] < alone[1]


def test_people_whom_the_model_has_not_seen_are_separated(lfw, tmp_path, verifier):
    people = [name for name in sorted(verifier.model.info.trained_on["test_identities"])
              if len(list((lfw / name).iterdir())) >= 5][:8]  # fmt: skip
    if len(people) < 8:
        pytest.skip("this is not all of LFW")
    photos = [photo for name in people for photo in sorted((lfw / name).iterdir())[:5]]
    embeddings, failures = verifier.embed(photos)
    assert not failures
    threshold = threshold_for(verifier.model.info, len(embeddings))
    for group in cluster(embeddings, threshold):
        assert len({photos[i].parent for i in group}) == 1
    assert len(cluster(embeddings, threshold)) <= 16
