import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from facesim.detector.box import Box
from facesim.gallery.forget import forget
from facesim.gallery.likely import MAX_PAIRS, MIN_PROBABILITY, likely_pairs
from facesim.gallery.naming import name_groups
from facesim.gallery.rename import rename
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_gallery, open_or_create_gallery

LEFT, RIGHT = Box(0, 0, 100, 100), Box(200, 0, 300, 100)
THRESHOLD = 0.3

# A program that is killed at a moment: when numbers are taken and no name is written, or right after the names.
MORTAL = """
import os, signal, sys
from facesim.gallery import naming
from facesim.gallery.store import open_gallery
from facesim.model import Model

address, moment = sys.argv[1:]
write_names = naming._write_names

def be_killed(*arguments):
    if moment == "after":
        write_names(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

naming._write_names = be_killed
naming.name_groups(open_gallery(address), Model().info, 0.3)
"""


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "people"), model)


@pytest.fixture
def add(gallery):
    """Adds faces, each as (photo, angle) or (photo, angle, name, box); the nearer the angles, the closer the faces."""

    def add(*faces):
        with gallery.writing():
            gallery.add([face_at(gallery.embedding_size, *face) for face in faces])

    return add


def face_at(size, photo, angle, name=None, box=LEFT) -> FaceRow:
    embedding = np.zeros(size, np.float32)
    embedding[:2] = np.cos(angle), np.sin(angle)
    return FaceRow(f"/photos/{photo}.jpg", 1, name, embedding, box)


def names_of(gallery) -> dict[str, str | None]:
    """Return the name on each photo that shows one face."""
    return {os.path.basename(row.photo)[:-4]: row.name for row in gallery.rows()}


def test_groups_become_people_by_number_the_largest_first_and_lone_faces_do_not(gallery, add, model):
    add(("a", 0), ("b", 1), ("c", 1.1), ("d", 1.2), ("e", 2), ("f", 2.1))
    naming = name_groups(gallery, model.info, THRESHOLD)
    assert names_of(gallery) == {"a": None, **dict.fromkeys("bcd", "Person 1"), **dict.fromkeys("ef", "Person 2")}
    assert [(person.name, len(person.rows), person.is_new) for person in naming.people] == [
        ("Person 1", 3, True),
        ("Person 2", 2, True),
    ]
    assert [row.photo for row in naming.unnamed] == ["/photos/a.jpg"]


def test_people_keep_their_names_and_faces_that_come_later_join_them(gallery, add, model):
    add(("a", 0), ("b", 0.1), ("c", 1), ("d", 1.1))
    name_groups(gallery, model.info, THRESHOLD)
    rename(gallery, "Person 1", "Ana Li")
    add(("e", 0.05), ("f", 2), ("g", 2.1), ("h", 1.2))
    naming = name_groups(gallery, model.info, THRESHOLD)
    expected = dict.fromkeys("abe", "Ana Li") | dict.fromkeys("cdh", "Person 2") | dict.fromkeys("fg", "Person 3")
    assert names_of(gallery) == expected
    assert {person.name: person.new_count for person in naming.people} == {"Ana Li": 1, "Person 2": 1, "Person 3": 2}
    version = gallery.table.version
    assert {person.new_count for person in name_groups(gallery, model.info, THRESHOLD).people} == {0}
    assert gallery.table.version == version


def test_a_number_is_never_given_to_somebody_else(gallery, add, model):
    add(("a", 0), ("b", 0.1), ("c", 1), ("d", 1.1))
    name_groups(gallery, model.info, THRESHOLD)
    rename(gallery, "Person 2", "Ana Li")
    forget(gallery, "Person 1")
    add(("e", 2), ("f", 2.1), ("g", 3, "person 7"))
    name_groups(gallery, model.info, THRESHOLD)
    assert gallery.names() == {"Ana Li": 2, "Person 8": 2, "person 7": 1}


def test_two_names_in_one_group_stay_apart_and_the_pair_is_likely(gallery, add, model):
    add(("a", 0, "Ana"), ("b", 0.1), ("c", 0.2), ("d", 0.3, "Ben"), ("e", 0.31))
    naming = name_groups(gallery, model.info, THRESHOLD)
    assert names_of(gallery) == {"a": "Ana", "b": "Ana", "c": "Ben", "d": "Ben", "e": "Ben"}
    (pair,) = naming.likely_pairs(model.info)
    assert {naming.people[pair.one].name, naming.people[pair.other].name} == {"Ana", "Ben"}
    assert {face.photo for face in pair.faces} == {"/photos/b.jpg", "/photos/c.jpg"}
    assert pair.distance == pytest.approx(2 * np.sin(0.05), abs=1e-4)


def test_nobody_is_twice_on_a_photo_unless_it_is_a_collage(gallery, add, model):
    add(("a", 0, "Ana"), ("both", 0.05), ("both", 0.1, None, RIGHT))
    naming = name_groups(gallery, model.info, THRESHOLD)
    assert sorted((row.box.left, row.name) for row in gallery.rows(names=["Ana"])) == [(0, "Ana"), (0, "Ana")]
    assert [row.box for row in naming.unnamed] == [RIGHT]
    name_groups(gallery, model.info, THRESHOLD)  # alone in its group or not, it does not become Ana later
    assert gallery.names() == {"Ana": 2}
    name_groups(gallery, model.info, THRESHOLD, allow_twice=True)
    assert gallery.names() == {"Ana": 3}


def test_a_face_that_was_embedded_and_enrolled_is_one_face(gallery, add, model):
    add(("a", 0, "Ana", Box(1, 1, 101, 101)), ("a", 0), ("b", 1))
    naming = name_groups(gallery, model.info, THRESHOLD)
    assert gallery.names() == {"Ana": 1}
    assert [row.photo for row in naming.unnamed] == ["/photos/b.jpg"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_is_killed_leaves_the_gallery_as_it_was_or_complete_and_the_next_run_ends_it(gallery, add, model, moment):
    add(("a", 0), ("b", 0.1), ("c", 1))
    ended = subprocess.run([sys.executable, "-c", MORTAL, gallery.address, moment], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len(open_gallery(gallery.address).names()) == (moment == "after")
    name_groups(gallery, model.info, THRESHOLD)
    assert gallery.count_named() == 2
    assert gallery.count_rows() == 3
    assert len(gallery.names()) == 1


def groups_of(*angles, size=321) -> list[list[FaceRow]]:
    return [[face_at(size, f"{i}-{j}", angle) for j, angle in enumerate(group)] for i, group in enumerate(angles)]


def test_likely_pairs_are_those_whose_faces_are_close_on_average_the_closest_first(model):
    groups = groups_of((0, 0.1), (0.2, 0.3), (0.55, 0.57), (3, 3.1))
    pairs = likely_pairs(groups, model.info)
    assert [(pair.one, pair.other) for pair in pairs] == [(0, 1), (1, 2)]
    assert pairs[0].probability > pairs[1].probability >= MIN_PROBABILITY
    distances = [np.linalg.norm(one.embedding - other.embedding) for one in groups[0] for other in groups[1]]
    odds = model.info.odds(np.sqrt(np.mean(np.square(distances)))) * 4 / len(groups)
    assert pairs[0].probability == pytest.approx(odds / (1 + odds), rel=1e-4)


def test_two_groups_on_one_photo_are_not_one_person(model):
    one, other = groups_of((0, 0.1), (0.05, 0.15))
    other[0] = other[0]._replace(photo=one[0].photo, box=RIGHT)
    assert likely_pairs([one, other], model.info) == []
    assert len(likely_pairs([one, other], model.info, allow_twice=True)) == 1


def test_pairs_are_at_most_a_hundred_and_one_group_has_none(model):
    assert len(likely_pairs(groups_of(*[(0,)] * 30), model.info)) == MAX_PAIRS
    assert likely_pairs([], model.info) == []
    assert likely_pairs(groups_of((0,)), model.info) == []
