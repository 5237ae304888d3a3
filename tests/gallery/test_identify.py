import dataclasses
import math

import numpy as np
import pytest

from facesim.detector.box import Box
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError
from facesim.gallery.enrol import enrol
from facesim.gallery.identify import Identifier
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_or_create_gallery
from facesim.gallery.thresholds import default_threshold, strangers_named, threshold_among
from facesim.model_info import OperatingPoint
from facesim.verifier import Verifier

FACE = FoundFace("probe.jpg", Box(0, 0, 9, 9), 1)


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "gallery"), model)


@pytest.fixture
def place(gallery):
    """Enrols faces by name at a distance from one embedding, each in a direction of its own; returns that embedding."""

    def place(*faces) -> np.ndarray:
        probe = np.zeros(gallery.embedding_size, np.float32)
        probe[0] = 1
        rows = []
        for i, (name, distance) in enumerate(faces, 1):
            face = np.zeros_like(probe)
            face[0] = 1 - distance**2 / 2
            face[i] = math.sqrt(1 - face[0] ** 2)
            rows.append(FaceRow(f"/{i}.jpg", 0, name, face, Box(0, 0, 9, 9)))
        with gallery.writing():
            gallery.add(rows)
        return probe

    return place


def name(gallery, verifier, probe, fmr=None):
    return Identifier(gallery, verifier, fmr).identify_embedded(EmbeddedPhoto([FACE], probe[None]))[0]


def test_the_nearest_under_the_threshold_is_named(gallery, verifier, model, place):
    probe = place(("Ana", 0.2), ("Ben", 0.15), ("Ana", 0.4), (None, 0.01))
    found = name(gallery, verifier, probe)
    assert (found.name, found.nearest.name, found.threshold) == ("Ben", "Ben", threshold_among(model.info, 0.01, 3))
    assert found.nearest.distance == pytest.approx(0.15, abs=1e-4)


def test_the_probability_weighs_all_who_are_enrolled_and_strangers(gallery, verifier, model, place):
    distances = (("Ana", 0.2), ("Ben", 0.22), ("Cem", 0.25), ("Dea", 0.5))
    found = name(gallery, verifier, place(*distances))
    intercept, slope = model.info.calibration
    odds = [math.exp(intercept + slope * distance) for _, distance in distances]
    # half of all faces shown are strangers' (odds 1); of the others each person has a quarter
    expected = odds[0] / 4 / (1 + sum(odds) / 4)
    assert found.name == "Ana"
    assert found.probability == pytest.approx(expected, rel=1e-2)


def test_the_more_are_enrolled_the_less_sure_is_a_name(gallery, verifier, model, place):
    distance = model.info.threshold + 6 / model.info.calibration[1]  # at which odds are e⁶, some 400 to one
    first = name(gallery, verifier, place(("Ana", distance)))
    assert first.probability == pytest.approx(model.info.probability(distance), rel=1e-2)
    with gallery.writing():
        far = np.zeros(gallery.embedding_size, np.float32)
        far[0] = -1
        gallery.add([FaceRow(f"/far{i}.jpg", 0, f"far {i}", far, Box(0, 0, 9, 9)) for i in range(999)])
    found = name(gallery, verifier, place())
    assert found.name == "Ana"
    assert found.probability < 0.7 < 0.99 < first.probability


def test_a_stranger_is_unknown_and_so_is_everybody_to_an_empty_gallery(gallery, verifier, place):
    found = name(gallery, verifier, place())
    assert (found.name, found.nearest, found.probability) == (None, None, 0.0)
    found = name(gallery, verifier, place(("Ana", 0.5)))
    assert (found.name, found.nearest.name) == (None, "Ana")
    assert found.probability < 0.01
    assert found.as_dict()["name"] is None


POINTS = (
    OperatingPoint("best F1", 0.3, 0.012, 0.01, 1000, 100_000),
    OperatingPoint("FMR 1 %", 0.28, 0.009, 0.02, 1000, 100_000),
    OperatingPoint("FMR 0.1 %", 0.25, 0.0007, 0.1, 1000, 100_000),
    OperatingPoint("FMR 0.01 %", 0.2, 0.00003, 0.3, 1000, 100_000),  # three pairs: no claim below ten in 100,000
)


@pytest.mark.parametrize(
    ("fmr", "enrolled", "expected"),
    [
        (0.5, 1, 0.3),
        (0.012, 1, 0.3),
        (0.01, 1, 0.28),
        (0.001, 1, 0.25),
        (0.001, 10, 0.2),
        (0.0001, 1, 0.2),
        (0.1, 11, 0.28),
        (0.1, 12, 0.25),
        (0.1, 1000, 0.2),
        (1, 10_000, 0.2),
        (0.001, 0, 0.3),
    ],
)
def test_a_threshold_is_as_strict_as_the_gallerys_size_asks(model, fmr, enrolled, expected):
    info = dataclasses.replace(model.info, operating_points=POINTS)
    assert threshold_among(info, fmr, enrolled) == expected


@pytest.mark.parametrize(("fmr", "enrolled"), [(0.00009, 1), (0.1, 1001), (0.001, 5000), (0, 1), (-1, 1), (1.5, 1)])
def test_what_no_threshold_can_promise_is_refused(model, fmr, enrolled):
    info = dataclasses.replace(model.info, operating_points=POINTS)
    with pytest.raises(FaceSimError, match="false match rate"):
        threshold_among(info, fmr, enrolled)


@pytest.mark.parametrize(
    ("enrolled", "expected"),
    [(0, 0.29), (1, 0.28), (2, 0.25), (14, 0.25), (15, 0.2), (100, 0.2), (101, 0.2), (10_000, 0.2)],
)
def test_by_default_one_stranger_in_a_hundred_is_named_or_as_few_as_can_be(model, enrolled, expected):
    info = dataclasses.replace(model.info, threshold=0.29, operating_points=POINTS)
    assert default_threshold(info, enrolled) == expected  # 0.29: never looser than for two photos
    assert (strangers_named(info, expected, enrolled) <= 0.01) == (enrolled <= 100)


def test_a_model_without_strict_thresholds_is_used_with_its_own(model):
    info = dataclasses.replace(model.info, operating_points=())
    assert default_threshold(info, 10) == model.info.threshold
    assert strangers_named(info, model.info.threshold, 10) == 1  # for all that it states


def test_a_threshold_that_is_given_counts(gallery, model, place):
    probe = place(*((f"Ana {i}", 0.42) for i in range(20)))
    assert name(gallery, Verifier(model), probe).name is None
    own = Verifier(model, model.info.threshold)  # even that which two photos are compared by
    assert name(gallery, own, probe).name is not None
    assert name(gallery, own, probe, fmr=0.01).name is None


def test_the_model_that_ships_has_strict_thresholds_for_small_galleries(model):
    assert threshold_among(model.info, 0.01, 10) < threshold_among(model.info, 0.01, 1)
    with pytest.raises(FaceSimError, match=r"least that it can promise is 0\.37"):
        threshold_among(model.info, 0.001, 5000)


def test_each_face_of_a_photo_is_named(gallery, verifier, hopper, both):
    list(enrol(gallery, verifier, [(str(hopper), "Grace")]))
    found = Identifier(gallery, verifier, 0.01).identify(both)
    assert sorted((face.name or "", face.face.box.left > 512) for face in found) == [("", True), ("Grace", False)]
    identifier = Identifier(gallery, verifier, 0.01, selection="largest")
    (largest,) = identifier.identify(both)
    assert largest.name == "Grace"
    first, second, third = identifier.identify_many([both, "nowhere.jpg", hopper])
    assert (first, third[0].name) == ([largest], "Grace")
    assert isinstance(second, FaceSimError)


def test_a_photo_has_each_person_once_unless_it_is_a_collage(gallery, verifier, place):
    probe = place(("Ana", 0.2), ("Ben", 0.2))
    faces = np.zeros((4, len(probe)), np.float32)
    for row, (cosine, to) in zip(faces, ((1, 1), (0.99, 1), (0.97, 2), (-1, 3)), strict=True):
        row[0], row[to] = cosine, math.sqrt(1 - cosine**2)
    photo = EmbeddedPhoto([FACE] * 4, faces)
    twice = Identifier(gallery, verifier, allow_twice=True).identify_embedded(photo)
    assert [face.name for face in twice] == ["Ana", "Ana", "Ben", None]
    assert twice[1].nearest.distance < twice[0].nearest.distance
    once = Identifier(gallery, verifier).identify_embedded(photo)
    assert [face.name for face in once] == [None, "Ana", "Ben", None]
    assert [face.outdone for face in once] == [True, False, False, False]
    assert [face.nearest for face in once] == [face.nearest for face in twice]
    backwards = EmbeddedPhoto([FACE] * 4, faces[::-1])
    assert [face.name for face in Identifier(gallery, verifier).identify_embedded(backwards)] == [
        None,
        "Ben",
        "Ana",
        None,
    ]


def test_strangers_are_computed_from_the_models_own_rates_and_the_number_of_people(gallery, verifier, model, place):
    place(*((f"Ana {i}", 0.3) for i in range(50)))
    place(*(("Ben", 0.3) for _ in range(50)))
    rate = model.info.operating_points[0].fmr
    at_the_models_own = Verifier(model, model.info.threshold)
    assert Identifier(gallery, at_the_models_own).strangers_named() == pytest.approx(
        1 - (1 - rate) ** 51
    )  # people, not photos
    assert Identifier(gallery, verifier).strangers_named() < 0.01
    assert Identifier(gallery, verifier, 0.1).strangers_named() < 0.1
