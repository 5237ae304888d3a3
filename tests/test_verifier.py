import dataclasses
import math

import numpy as np
import pytest
from PIL import ImageOps

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
    photo = ImageOps.mirror(open_photo(hopper)).reduce(2).point(lambda level: level * 0.7)
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


@pytest.mark.parametrize("threshold", [math.nan, math.inf, "abc", [0.5]])
def test_a_threshold_that_is_no_number_is_refused(model, threshold):
    with pytest.raises(FaceSimError, match="threshold"):
        Verifier(model, threshold=threshold)


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
    with refuses(faceless, NoFaceError):
        verifier.embed([hopper, faceless])


def test_the_faces_in_a_photo_are_counted(verifier, hopper, crowd):
    verdict = verifier.verify(hopper, crowd)
    assert (verdict.face1.faces, verdict.face2.faces) == (1, 2)
    assert verdict.same


def test_embeddings_are_those_that_verdicts_compare(verifier, hopper, collins):
    first, second = verifier.embed([hopper, collins])
    assert float(np.linalg.norm(first - second)) == verifier.verify(hopper, collins).distance
    assert verifier.embed([]).shape == (0, verifier.model.embedding_size)


def test_on_lfw_another_photo_of_the_person_is_nearer_than_anybody_else(verifier, lfw):
    people = ["Adrien_Brody", "Angelina_Jolie", "Halle_Berry", "Lleyton_Hewitt", "Tony_Blair", "Venus_Williams"]
    first, second = (verifier.embed(lfw / name / f"{name}_000{i}.jpg" for name in people) for i in (1, 2))
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    assert distances.argmin(axis=1).tolist() == list(range(len(people)))
    assert distances.argmin(axis=0).tolist() == list(range(len(people)))
