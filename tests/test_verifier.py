import copy
import dataclasses
import io
import math
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from facesim.detector.box import Box
from facesim.errors import FaceSimError, NoFaceError
from facesim.photo import open_photo
from facesim.verifier import Verifier


def test_a_photo_is_at_distance_zero_from_itself(verifier, hopper):
    verdict = verifier.verify(hopper, hopper)
    assert verdict.same is True
    assert verdict.distance == 0
    assert verdict.face1 == verdict.face2


def test_two_people_are_different(verifier, hopper, collins):
    verdict = verifier.verify(hopper, collins)
    assert verdict.same is False
    assert verdict.threshold <= verdict.distance <= 2


def test_the_same_portrait_smaller_mirrored_and_darker_is_the_same_person(verifier, tmp_path, hopper):
    photo = ImageOps.mirror(open_photo(hopper).view()).reduce(2).point(lambda level: level * 0.7)
    photo.save(tmp_path / "copy.jpg")
    assert verifier.verify(hopper, tmp_path / "copy.jpg").same


def test_the_order_of_the_photos_does_not_matter(verifier, hopper, collins):
    one, other = verifier.verify(hopper, collins), verifier.verify(collins, hopper)
    assert one.distance == other.distance
    assert (one.face1, one.face2) == (other.face2, other.face1)


def test_a_verdict_says_what_it_rests_on(verifier, hopper, collins):
    verdict = verifier.verify(str(hopper), collins)
    assert verdict.face1.photo == str(hopper)
    assert verdict.threshold == verifier.model.info.threshold
    assert verdict.probability == verifier.model.info.probability(verdict.distance)
    assert verdict.model == str(verifier.model.path)


@pytest.mark.parametrize("name", ["same", "distance", "face1"])
def test_a_verdict_cannot_be_changed(verifier, hopper, name):
    verdict = verifier.verify(hopper, hopper)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(verdict, name, None)


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0, "under 0.1 %"),
        (0.0012, "0.1 %"),
        (0.5, "50.0 %"),
        (0.987, "98.7 %"),
        (0.9996, "over 99.9 %"),
        (1, "over 99.9 %"),
    ],
)
def test_no_probability_is_written_as_a_certainty(verifier, hopper, probability, text):
    verdict = dataclasses.replace(verifier.verify(hopper, hopper), probability=probability)
    assert verdict.probability_text == text


def test_another_threshold_replaces_the_models_and_same_means_strictly_below_it(model, verifier, hopper, collins):
    distance = verifier.verify(hopper, collins).distance
    assert not Verifier(model, threshold=distance).verify(hopper, collins).same
    above = math.nextafter(distance, 2)
    verdict = Verifier(model, threshold=above).verify(hopper, collins)
    assert verdict.same
    assert verdict.threshold == above


@pytest.mark.parametrize("threshold", [math.nan, math.inf, "abc", [0.5], 50, -1, 2.001])
def test_a_threshold_that_no_distance_can_have_is_refused(model, threshold):
    with pytest.raises(FaceSimError, match="threshold"):
        Verifier(model, threshold=threshold)


def test_an_fmr_picks_a_stored_operating_point_and_the_verdict_says_which(model, verifier, hopper):
    points = {point.name: point for point in model.info.operating_points}
    strict = Verifier(model, fmr=0.001)
    assert strict.threshold == points["FMR 0.1 %"].threshold
    assert strict.verify(hopper, hopper).operating_point == points["FMR 0.1 %"]
    assert verifier.verify(hopper, hopper).operating_point == points["best F1"]


def test_between_points_the_next_less_strict_one_is_stated_and_beyond_all_of_them_none(model, hopper):
    strict, loose = sorted(point.threshold for point in model.info.operating_points)[:2]
    verdict = Verifier(model, (strict + loose) / 2).verify(hopper, hopper)
    assert verdict.operating_point.threshold == loose
    assert Verifier(model, 2).verify(hopper, hopper).as_dict()["operating_point"] is None


def test_an_fmr_that_is_not_stored_is_refused_with_those_that_are(model):
    with pytest.raises(FaceSimError, match=r"no operating point FMR 2 %: it has best F1, FMR 1 %, FMR 0\.1 %"):
        Verifier(model, fmr=0.02)
    with pytest.raises(FaceSimError, match="give one of them"):
        Verifier(model, threshold=0.4, fmr=0.01)


def test_a_model_may_be_given_by_its_path(write_model, hopper):
    path = write_model(threshold="0.123")
    verdict = Verifier(path).verify(hopper, hopper)
    assert verdict.threshold == 0.123
    assert verdict.model == str(path)


def test_a_photo_without_a_face_gets_no_verdict(verifier, hopper, faceless, refuses):
    with refuses(faceless, NoFaceError):
        verifier.verify(hopper, faceless)
    with refuses(faceless, NoFaceError):
        verifier.verify(faceless, hopper)


def test_the_faces_in_a_photo_are_counted(verifier, hopper, crowd):
    verdict = verifier.verify(hopper, crowd)
    assert (verdict.face1.face_count, verdict.face2.face_count) == (1, 2)
    assert verdict.same


def test_embeddings_are_those_that_verdicts_compare(verifier, hopper, collins):
    (first, second), failures = verifier.embed([hopper, collins])
    assert float(np.linalg.norm(first - second)) == verifier.verify(hopper, collins).distance
    assert not failures
    assert verifier.embed([]).embeddings.shape == (0, verifier.model.embedding_size)


@pytest.mark.parametrize("copies", [1, 5])
def test_a_photo_that_fails_among_others_is_reported_by_its_place(verifier, hopper, collins, faceless, copies):
    photos = [hopper, faceless, collins, "nowhere.jpg"] * copies  # few, and as many as processes are begun for
    embeddings, failures = verifier.embed(photos)
    assert sorted(failures) == [place for place in range(len(photos)) if place % 2]
    assert isinstance(failures[1], NoFaceError)
    assert str(faceless) in str(failures[1])
    assert "nowhere.jpg does not exist" in str(failures[3])
    assert np.isnan(embeddings[1::2]).all()
    assert np.allclose(np.linalg.norm(embeddings[::2], axis=1), 1, atol=1e-5)
    alone = verifier.embed([hopper, collins]).embeddings
    assert np.allclose(embeddings[[0, 2]], alone, atol=1e-5)


def kinds_of_source(photo):
    """The same photo in each way that one may be given, each new."""
    data = photo.read_bytes()
    yield from (photo, str(photo), data, io.BytesIO(data), Image.open(photo), np.asarray(Image.open(photo)))


def test_a_photo_may_be_given_in_every_way_to_one_and_to_many(verifier, hopper, collins):
    expected = verifier.verify(hopper, collins).distance
    assert [verifier.verify(one, collins).distance for one in kinds_of_source(hopper)] == [expected] * 6
    many = list(verifier.verify_many((one, other) for one in kinds_of_source(hopper) for other in (collins, hopper)))
    distances = [getattr(verdict, "distance", None) for verdict in many]
    assert distances[2:4] == pytest.approx([expected, 0], abs=1e-5)
    assert distances[::2] == pytest.approx([expected] * 3 + [expected, *distances[8::2]], abs=1e-5)


def test_a_photo_in_memory_may_be_compared_with_itself(verifier, hopper):
    for photo in kinds_of_source(hopper):
        verdict = verifier.verify(photo, photo)
        assert (verdict.same, verdict.distance) == (True, 0)


def test_threads_may_share_an_image_that_is_yet_unread(verifier, hopper, collins):
    expected = verifier.verify(hopper, collins).distance
    for _ in range(3):
        photo = Image.open(hopper)
        with ThreadPoolExecutor(4) as pool:
            verdicts = list(pool.map(lambda _, photo=photo: verifier.verify(photo, collins), range(4)))
        assert [verdict.distance for verdict in verdicts] == [expected] * 4


def test_a_photo_without_a_name_is_told_by_its_place(verifier, hopper):
    for photo in (b"", io.BytesIO(), np.zeros((4, 4)), Image.new("RGB", (0, 5)), Image.new("RGB", (90, 90)), None):
        with pytest.raises(FaceSimError, match="the second photo"):
            verifier.verify(hopper, photo)
        with pytest.raises(FaceSimError, match="the first photo"):
            verifier.verify(photo, hopper)


def test_threads_may_share_a_verifier(verifier, hopper, collins):
    expected = verifier.verify(hopper, collins)
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda _: verifier.verify(hopper, collins), range(12)))
    assert verdicts == [expected] * 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_verifier_works_on_after_a_fork(verifier, hopper, collins):
    expected = verifier.verify(hopper, collins)
    fork = multiprocessing.get_context("fork")
    verdicts = fork.SimpleQueue()
    children = [fork.Process(target=lambda: verdicts.put(verifier.verify(hopper, collins))) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert [verdicts.get() for _ in children] == [expected] * 3


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_begin_anew_may_be_sent_a_verifier(model, hopper, collins, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    verifier = Verifier(model, threshold=0.5)
    expected = verifier.verify(hopper, collins)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.starmap(verifier.verify, [(hopper, collins)] * 2) == [expected] * 2


def test_copies_of_a_verifier_share_its_model(verifier, hopper, collins):
    expected = verifier.verify(hopper, collins)
    for copied in (copy.copy(verifier), copy.deepcopy(verifier)):
        assert copied.model is verifier.model
        assert copied.verify(hopper, collins) == expected


def test_of_all_faces_the_closest_pair_decides(verifier, hopper, collins, both):
    assert not verifier.verify(collins, both).same  # Hopper is the larger
    for photos in ((collins, both), (both, collins)):
        verdict = verifier.verify(*photos, selection="all")
        assert verdict.same
        chosen = verdict.face2 if photos[1] == both else verdict.face1
        assert chosen.face_count == 2
        assert chosen.box.left > 600  # Collins stands on the right
    (verdict,) = verifier.verify_many([(collins, both)], selection="all")
    assert verdict.same


def test_the_face_nearest_to_the_centre_may_count_instead_of_the_largest(verifier, collins, both):
    photo = Image.new("RGB", (1200, 600))
    photo.paste(Image.open(both))
    assert not verifier.verify(collins, photo).same
    assert verifier.verify(collins, photo, selection="centre").same


def test_a_way_to_choose_that_does_not_exist_is_refused(verifier, hopper):
    with pytest.raises(FaceSimError, match="largest, centre, all"):
        verifier.verify(hopper, hopper, selection="some")


def test_what_a_verdict_may_be_wrong_about_is_said(verifier, hopper):
    dark = Image.open(hopper).point(lambda level: level / 20)
    verdict = verifier.verify(hopper, dark, box2=Box(161, 137, 377, 353))
    assert verdict.face1.warnings == ()
    assert verdict.face2.warnings == ("the face is nearly black",)


def test_a_box_says_which_face_is_meant(verifier, hopper, collins, both):
    left, right = (Box(180, 150, 400, 370), Box(610, 70, 740, 200))
    assert verifier.verify(hopper, both, box2=left).same
    assert not verifier.verify(hopper, both, box2=right).same


def test_a_box_may_be_any_four_numbers(verifier, hopper, both, refuses):
    expected = verifier.verify(hopper, both, box2=Box(610, 70, 740, 200))
    for box in ((610, 70, 740, 200), [610.2, 69.9, 740, 200], np.array([610, 70, 740, 200])):
        assert verifier.verify(hopper, both, box2=box) == expected
    for box in ((610, 70, 740), ("a", "b", "c", "d"), 7, (math.nan, 0, 10, 10), (math.inf, 0, 10, 10)):
        with pytest.raises(FaceSimError, match="is not a box: give four numbers"):
            verifier.verify(hopper, both, box2=box)


def test_there_is_no_verdict_on_boxes_without_a_face(verifier, hopper, collins, refuses):
    with refuses(hopper, NoFaceError):
        verifier.verify(hopper, collins, box1=Box(0, 0, 90, 90))
    with refuses(hopper, NoFaceError):
        verifier.verify(hopper, hopper, box1=Box(0, 0, 90, 90), box2=Box(20, 500, 90, 570))


def test_a_box_outside_the_photo_is_refused(verifier, hopper, refuses):
    with refuses(hopper) as caught:
        verifier.verify(hopper, hopper, box2=Box(600, 0, 700, 100))
    assert "600,0,100,100" in str(caught.value)


def test_on_lfw_another_photo_of_the_person_is_nearer_than_anybody_else(verifier, lfw):
    people = ["Adrien_Brody", "Angelina_Jolie", "Halle_Berry", "Lleyton_Hewitt", "Tony_Blair", "Venus_Williams"]
    first, second = (verifier.embed(lfw / name / f"{name}_000{i}.jpg" for name in people)[0] for i in (1, 2))
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(len(people)))
    assert distances.argmin(axis=0).tolist() == list(range(len(people)))
