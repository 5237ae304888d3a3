import math

import numpy as np
import pytest

from facesim.detector.box import Box
from facesim.gallery.enrol import enrol
from facesim.gallery.forget import forget, forget_photo
from facesim.gallery.identify import Identifier
from facesim.gallery.rename import rename
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_or_create_gallery
from facesim.gallery.templates import AVERAGED, Templates, make_template


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "gallery"), model)


def add(gallery, name, *faces):
    """Enrol a person with faces, each given by the numbers that its embedding begins with."""
    rows = []
    for i, start in enumerate(faces):
        embedding = np.zeros(gallery.embedding_size, np.float32)
        embedding[: len(start)] = start
        rows.append(FaceRow(f"/{name}/{i}.jpg", 0, name, embedding, Box(0, 0, 9, 9)))
    with gallery.writing():
        gallery.add(rows)


def test_a_template_is_the_mean_of_unit_length():
    template = make_template(np.array([[1, 0, 0], [0.6, 0.8, 0], [0.6, 0, 0.8]], np.float32))
    assert template.centre == pytest.approx(np.array([2.2, 0.8, 0.8]) / math.sqrt(2.2**2 + 2 * 0.8**2))
    expected = math.sqrt(1 + 1 - 2 * template.centre[0] + AVERAGED * 0.4**2 * 2 / 3)
    assert template.distance(np.array([1, 0, 0]), threshold=0.4) == pytest.approx(expected)


def test_one_photo_is_compared_as_two_photos_are(gallery, model):
    add(gallery, "Ana", (0.8, 0.6))
    probe = np.eye(1, gallery.embedding_size, dtype=np.float32)[0]
    (face,) = gallery.nearest(probe, 1)
    (person,) = Templates(gallery, model.info.threshold).nearest(probe, 20)
    assert person.distance == pytest.approx(face.distance) == pytest.approx(math.sqrt(0.4))


def test_each_person_comes_once_by_the_template_with_the_nearest_photo(gallery, model):
    add(gallery, "Ana", (1, 0, 0), (0.6, 0.8, 0), (0.6, 0, 0.8))
    add(gallery, "Ben", (0.96, 0.28), (0.96, -0.28))
    probe = np.eye(1, gallery.embedding_size, dtype=np.float32)[0]
    ben, ana = Templates(gallery, model.info.threshold).nearest(probe, 20)
    assert (ana.name, ana.photo) == ("Ana", "/Ana/0.jpg")  # the nearest photo of all, but not the nearest person
    allowance = AVERAGED * model.info.threshold**2
    square = 2 - 2 * 2.2 / math.sqrt(2.2**2 + 2 * 0.8**2) + allowance * 2 / 3
    assert ana.distance == pytest.approx(math.sqrt(square), rel=1e-5)
    assert (ben.name, ben.distance) == ("Ben", pytest.approx(math.sqrt(allowance / 2), abs=1e-3))


def test_a_template_follows_every_change_of_the_gallery(gallery, model):
    add(gallery, "Ana", (1, 0))
    probe = np.eye(1, gallery.embedding_size, dtype=np.float32)[0]
    templates = Templates(gallery, model.info.threshold)
    (before,) = templates.nearest(probe, 20)
    add(gallery, "Ben", (0, 1))
    rename(gallery, "Ben", "Ana", merge=True)
    (merged,) = templates.nearest(probe, 20)
    assert merged.distance > 0.7 > before.distance
    forget_photo(gallery, "/Ben/0.jpg")
    assert templates.nearest(probe, 20) == [before]
    forget(gallery, "Ana")
    assert templates.nearest(probe, 20) == []


def test_five_photos_find_who_one_misses_and_no_stranger(gallery, verifier, lfw):
    def photos(name, *numbers):
        return [str(lfw / name / f"{name}_{number:04}.jpg") for number in numbers]

    ralf, halle = photos("Ralf_Schumacher", 7, 1, 2, 3, 5), photos("Halle_Berry", 14, 1, 2, 3, 4)
    probes = [*photos("Ralf_Schumacher", 4), *photos("Halle_Berry", 7), *photos("Naomi_Watts", 1, 2, 22)]
    for count, names in ((1, [None] * 5), (5, ["Ralf", "Halle", None, None, None])):
        list(enrol(gallery, verifier, [(photo, "Ralf") for photo in ralf[:count]]))
        list(enrol(gallery, verifier, [(photo, "Halle") for photo in halle[:count]]))
        identifier = Identifier(gallery, verifier, selection="largest")
        assert [identifier.identify(probe)[0].name for probe in probes] == names
