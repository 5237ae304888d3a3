import os
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image, ImageFilter

from facesim.detector.box import Box
from facesim.errors import FaceSimError, NoFaceError
from facesim.gallery import embed, known
from facesim.gallery.embed import EmbedCounts, embed_locally, faces_on, pending_photos
from facesim.gallery.enrol import enrol
from facesim.gallery.forget import forget
from facesim.gallery.maintenance import gallery_stats
from facesim.gallery.people import people_in
from facesim.gallery.rename import rename
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.gallery.tables import connect
from facesim.gallery.version import content_digest


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "gallery"), model)


@pytest.fixture
def photos(tmp_path, hopper, collins, both, faceless):
    """A folder of photos: one of each person, one of both, one of nobody, one that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    shutil.copy(hopper, folder / "grace.jpg")
    shutil.copy(collins, os.fsencode(folder / "eileen") + b"\xff.jpg")
    shutil.copy(both, folder / "both.png")
    shutil.copy(faceless, folder / "wall.png")
    (folder / "letter.jpg").write_text("Dear reader")
    return folder


def test_who_is_enrolled_is_in_the_gallery_with_the_embedding_that_two_photos_are_compared_by(
    gallery, verifier, hopper, collins, faceless
):
    outcomes = list(
        enrol(gallery, verifier, [(str(hopper), "Grace"), (str(faceless), "Wall"), (str(collins), "Eileen")])
    )
    assert [outcome.name for outcome in outcomes] == ["Grace", "Wall", "Eileen"]
    grace, wall, eileen = outcomes
    assert isinstance(wall.error, NoFaceError)
    assert grace.error is grace.likeness is eileen.likeness is None
    kept = {row.name: row for row in gallery.rows()}
    assert kept.keys() == {"Grace", "Eileen"}
    embeddings, _ = verifier.embed([hopper, collins])
    assert np.array_equal(kept["Grace"].embedding, embeddings[0])
    assert np.array_equal(kept["Eileen"].embedding, embeddings[1])
    assert (kept["Grace"].photo, kept["Grace"].box) == (str(hopper), grace.face.box)
    assert kept["Grace"].modified == os.stat(hopper).st_mtime_ns


def test_a_second_run_skips_what_is_there_and_takes_a_changed_photo_anew(gallery, verifier, tmp_path, hopper, collins):
    photo = tmp_path / "me.jpg"
    shutil.copy(hopper, photo)
    assert len(list(enrol(gallery, verifier, [(str(photo), "Me")]))) == 1
    assert list(enrol(gallery, verifier, [(str(photo), "Me")])) == []
    shutil.copy(collins, photo)
    assert len(list(enrol(gallery, verifier, [(str(photo), "You")]))) == 1
    assert gallery.names() == {"Me": 1, "You": 1}
    assert len(list(enrol(gallery, verifier, [(str(photo), "Me")]))) == 1
    assert gallery.names() == {"Me": 1, "You": 1}
    embeddings, _ = verifier.embed([collins])
    assert all(np.array_equal(row.embedding, embeddings[0]) for row in gallery.rows())


def test_a_photo_that_is_enrolled_keeps_the_name_that_it_was_given_last(gallery, verifier, tmp_path, hopper, collins):
    grace, eileen = (str(shutil.copy(photo, tmp_path)) for photo in (hopper, collins))
    list(enrol(gallery, verifier, [(grace, "Grace"), (eileen, "Eileen")]))
    rename(gallery, "Grace", "Grace Hopper")
    os.utime(grace)  # as a new checkout of the photos would
    (kept,) = enrol(gallery, verifier, [(grace, "Grace"), (eileen, "Eileen")])
    assert (kept.photo, kept.name, kept.known_as, kept.face) == (grace, "Grace", "Grace Hopper", None)
    assert gallery.names() == {"Eileen": 1, "Grace Hopper": 1}
    assert list(enrol(gallery, verifier, [(grace, "Grace Hopper")])) == []
    forget(gallery, "Grace Hopper")
    (anew,) = enrol(gallery, verifier, [(grace, "Grace")])
    assert anew.face
    assert gallery.names() == {"Eileen": 1, "Grace": 1}


def replace_unseen(photo, other):
    """Give a photo the content of another; its time of modification and its size stay, as `cp -p` could have it."""
    before = os.stat(photo)
    content = other.read_bytes()
    photo.write_bytes(content + bytes(before.st_size - len(content)))
    os.utime(photo, ns=(before.st_mtime_ns, before.st_mtime_ns))
    assert (os.stat(photo).st_size, os.stat(photo).st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_a_photo_is_taken_anew_however_little_shows_that_it_was_replaced(gallery, verifier, tmp_path, hopper, collins):
    assert hopper.stat().st_size > collins.stat().st_size
    photo, enrolled = tmp_path / "photo.jpg", tmp_path / "enrolled.jpg"
    shutil.copy(hopper, photo)
    shutil.copy(hopper, enrolled)
    list(enrol(gallery, verifier, [(str(enrolled), "Me")]))
    assert sum(embed_locally(gallery, verifier, pending_photos(gallery, [str(photo)])), EmbedCounts()).face_count == 1
    replace_unseen(photo, collins)
    replace_unseen(enrolled, collins)
    assert sum(embed_locally(gallery, verifier, pending_photos(gallery, [str(photo)])), EmbedCounts()).face_count == 1
    assert len(list(enrol(gallery, verifier, [(str(enrolled), "Me")]))) == 1
    (embedding,), _ = verifier.embed([collins])
    assert [np.array_equal(row.embedding, embedding) for row in gallery.rows()] == [True, True]


def test_a_photo_whose_content_is_the_same_is_skipped_and_read_only_once(
    gallery, verifier, tmp_path, hopper, monkeypatch
):
    photo = tmp_path / "photo.jpg"
    shutil.copy(hopper, photo)
    list(embed_locally(gallery, verifier, pending_photos(gallery, [str(photo)])))
    read = []
    monkeypatch.setattr(embed, "content_digest", lambda path: read.append(path) or content_digest(path))
    for touch in (os.utime, lambda path: path.chmod(0o600), lambda path: os.link(path, f"{path}.backup")):
        touch(photo)
        for _ in range(2):
            assert list(pending_photos(gallery, [str(photo)])) == []
        assert read.pop() == str(photo)
        assert not read
        assert gallery.count_rows() == 1


def test_in_a_large_gallery_such_a_photo_is_skipped_but_read_each_time(
    gallery, verifier, tmp_path, hopper, monkeypatch
):
    photo = tmp_path / "photo.jpg"
    shutil.copy(hopper, photo)
    list(embed_locally(gallery, verifier, pending_photos(gallery, [str(photo)])))
    os.utime(photo)
    monkeypatch.setattr(known, "MAX_NOTED_ROWS", 0)
    before = next(iter(gallery.rows())).version
    assert list(pending_photos(gallery, [str(photo)])) == []
    assert list(pending_photos(gallery, [str(photo)])) == []
    assert [row.version for row in gallery.rows()] == [before]


def test_a_gallery_that_an_earlier_facesim_made_is_read_and_gone_on_with(
    gallery, verifier, photos, hopper, tmp_path, model
):
    embedded(gallery, verifier, photos)
    list(enrol(gallery, verifier, [(str(photos / "grace.jpg"), "Grace")]))
    old = ["size", "changed", "content"]
    connect(gallery.address).open_table("faces").drop_columns(old)
    again = open_gallery(gallery.address, model)
    assert again.names() == {"Grace": 1}
    assert again.count_rows() == 6
    assert [row.content for row in again.rows()] == [None] * 6
    assert not set(old) & set(connect(gallery.address).open_table("faces").schema.names)  # asking writes nothing
    assert embedded(again, verifier, photos) == EmbedCounts(unreadable=1)
    assert list(enrol(again, verifier, [(str(photos / "grace.jpg"), "Grace")])) == []
    shutil.copy(hopper, photos / "new.jpg")
    assert embedded(again, verifier, photos) == EmbedCounts(with_face=1, face_count=1, unreadable=1)
    (new,) = (row for row in open_gallery(gallery.address, model).rows() if row.content)
    assert new.photo == str(photos / "new.jpg")
    assert forget(again, "Grace").face_count == 3  # a copy's, too


def test_a_face_that_matches_another_name_is_reported(gallery, verifier, hopper, collins, tmp_path):
    print_ = hopper.with_name("grace_hopper_print.jpg")
    people = [(str(hopper), "Grace"), (str(print_), "Grace"), (str(print_), "Amazing"), (str(collins), "Eileen")]
    *others, amazing, eileen = enrol(gallery, verifier, people)
    assert [outcome.likeness for outcome in (*others, eileen)] == [None] * 3
    assert (amazing.likeness.name, amazing.likeness.photo) == ("Grace", str(print_))
    assert amazing.likeness.distance == pytest.approx(0, abs=1e-6)
    assert "enrolled as Amazing, looks like Grace" in amazing.likeness_text
    assert gallery.names() == {"Amazing": 1, "Eileen": 1, "Grace": 2}
    (again,) = enrol(gallery, verifier, [(shutil.copy(hopper, tmp_path), "Rear Admiral")])
    assert again.likeness.name in ("Grace", "Amazing")


def test_what_is_enrolled_is_reported_only_once_it_is_safe(gallery, verifier, hopper, collins):
    enrolled = enrol(gallery, verifier, [(str(hopper), "Grace"), (str(collins), "Eileen")])
    assert next(enrolled).name in gallery.names()
    enrolled.close()


def test_a_poor_photo_is_enrolled_and_said_to_be_poor_or_refused(gallery, verifier, tmp_path, hopper, collins):
    tiny, blurred = tmp_path / "tiny.png", tmp_path / "blurred.png"
    with Image.open(hopper) as photo:
        photo.resize((64, 75)).save(tiny)
        photo.filter(ImageFilter.GaussianBlur(8)).save(blurred)
    people = [(str(tiny), "Tiny"), (str(blurred), "Blurred"), (str(collins), "Eileen")]
    *poor, good = enrol(gallery, verifier, people, strict=True)
    assert [str(photo) in str(refused.error) for photo, refused in zip((tiny, blurred), poor, strict=True)] == [
        True
    ] * 2
    assert "pixels wide: give a better photo" in str(poor[0].error)
    assert "very blurred: give a better photo" in str(poor[1].error)
    assert (good.error, good.poor_text, gallery.names()) == (None, "", {"Eileen": 1})
    first, second = enrol(gallery, verifier, people)  # what was refused is no part of the gallery
    assert first.poor_text.startswith(f"{tiny}: the face is only")
    assert second.poor_text == f"{blurred}: the face is very blurred; enrol a better photo, if there is one."
    assert list(gallery.names()) == ["Blurred", "Eileen", "Tiny"]


@pytest.mark.filterwarnings("ignore::facesim.errors.FaceSimWarning")  # checked by tests/test_folder.py
def test_folders_name_the_people_in_them(tmp_path, hopper, refuses):
    (tmp_path / "people" / "Grace Hopper" / "navy").mkdir(parents=True)
    (tmp_path / "people" / "empty").mkdir()
    (tmp_path / "people" / ".hidden").mkdir()
    for path in ("Grace Hopper/a.jpg", "Grace Hopper/navy/b.jpg", ".hidden/c.jpg", "loose.jpg"):
        shutil.copy(hopper, tmp_path / "people" / path)
    grace = tmp_path / "people" / "Grace Hopper"
    theirs = [(str(grace / "a.jpg"), "Grace Hopper"), (str(grace / "navy" / "b.jpg"), "Grace Hopper")]
    assert people_in([str(tmp_path / "people")], depth=1) == theirs
    assert people_in([str(tmp_path / "people")]) == [theirs[0], (theirs[1][0], "navy")]
    assert people_in([str(grace)], "Amazing Grace") == [(photo, "Amazing Grace") for photo, _ in theirs]
    assert people_in([str(hopper)], "G") == [(str(hopper), "G")]
    for paths, name in (([str(hopper)], None), ([str(tmp_path / "people" / "empty")], None)):
        with refuses(paths[0]):
            people_in(paths, name)
    with refuses(tmp_path / "people" / "empty"):
        people_in([str(tmp_path / "people" / "empty")], "Nobody")
    assert people_in([str(tmp_path / "people")] * 2, depth=1) == theirs
    everything = [str(tmp_path / "people"), str(grace), str(grace / "a.jpg"), str(grace / ".." / "Grace Hopper")]
    assert len(people_in(everything, "G")) == len(set(people_in(everything, "G"))) == 3
    (grace.parent / "a\nb").mkdir()
    shutil.copy(hopper, grace.parent / "a\nb")
    with pytest.raises(FaceSimError, match="cannot be a name"):
        people_in([str(tmp_path / "people")])


@pytest.mark.filterwarnings("ignore::facesim.errors.FaceSimWarning")  # checked by tests/test_folder.py
def test_a_year_between_names_nobody(tmp_path, hopper, collins):
    for path, photo in (("2023/Grace/a.jpg", hopper), ("2024/GRACE /b.jpg", hopper), ("2024/Eileen/c.jpg", collins)):
        (tmp_path / path).parent.mkdir(parents=True)
        shutil.copy(photo, tmp_path / path)
    assert [name for _, name in people_in([str(tmp_path)])] == ["Grace", "Eileen", "Grace"]
    years = [str(tmp_path / "2023"), str(tmp_path / "2024")]
    assert sorted(name for _, name in people_in(years)) == ["Eileen", "Grace", "Grace"]


def test_a_name_in_another_spelling_is_the_one_that_is_enrolled(gallery, verifier, hopper, collins):
    decomposed = unicodedata.normalize("NFD", "ZOË ")
    for photo, name in ((hopper, "Zoë"), (collins, decomposed), (hopper, decomposed)):
        for enrolled in enrol(gallery, verifier, [(str(photo), name)]):
            assert enrolled.name == "Zoë"
    assert gallery.names() == {"Zoë": 2}


def embedded(gallery, verifier, photos, selection="all") -> EmbedCounts:
    skipped = []
    pending = pending_photos(gallery, [str(path) for path in sorted(photos.iterdir())], lambda: skipped.append(1))
    done = sum(embed_locally(gallery, verifier, pending, selection), EmbedCounts())
    assert done.photo_count + len(skipped) == len(list(photos.iterdir()))
    return done


def test_a_collection_is_embedded_without_names_and_only_once(gallery, verifier, photos, hopper, crowd):
    assert embedded(gallery, verifier, photos) == EmbedCounts(with_face=3, face_count=4, without_face=1, unreadable=1)
    rows = list(gallery.rows())
    assert {row.photo for row in rows} == {str(path) for path in photos.iterdir()} - {str(photos / "letter.jpg")}
    assert sum(row.photo.endswith("both.png") for row in rows) == 2
    assert {row.name for row in rows} == {None}
    problems = {os.path.basename(row.photo): row.problem for row in rows if row.problem}
    assert problems.keys() == {"wall.png"}
    assert "no face was found" in problems["wall.png"]
    assert embedded(gallery, verifier, photos) == EmbedCounts(unreadable=1)
    assert gallery.count_rows() == len(rows) == 5
    shutil.copy(crowd, photos / "both.png")
    modified = os.stat(photos / "letter.jpg").st_mtime_ns
    shutil.copy(hopper, photos / "letter.jpg")
    os.utime(photos / "letter.jpg", ns=(0, modified))  # what could not be read may be readable though unchanged
    assert embedded(gallery, verifier, photos, "largest") == EmbedCounts(with_face=2, face_count=2)
    assert sum(row.photo.endswith("both.png") for row in gallery.rows()) == 1
    assert gallery.count_rows() == 5
    assert gallery_stats(gallery).without_face == 1


def test_an_interrupted_run_is_continued(gallery, verifier, photos, monkeypatch):
    monkeypatch.setattr(embed, "SECONDS_PER_WRITE", 0)
    paths = [str(path) for path in sorted(photos.iterdir())]
    run = embed_locally(gallery, verifier, pending_photos(gallery, paths))
    first = next(run)
    run.close()
    assert gallery.count_rows() >= 1
    assert first + embedded(gallery, verifier, photos) == EmbedCounts(3, 4, 1, 1)
    assert gallery.count_rows() == 5


def test_an_enrolled_face_stays_when_its_photo_changes_and_is_embedded(gallery, verifier, photos, collins):
    grace = photos / "grace.jpg"
    list(enrol(gallery, verifier, [(str(grace), "Grace")]))
    (photos / "letter.jpg").unlink()
    assert embedded(gallery, verifier, photos).photo_count == 3
    shutil.copy(collins, grace)
    assert embedded(gallery, verifier, photos).photo_count == 1
    assert gallery.names() == {"Grace": 1}
    assert embedded(gallery, verifier, photos).photo_count == 0


def test_faces_come_from_photos_and_galleries_alike(gallery, verifier, photos):
    embedded(gallery, verifier, photos)
    from_photos, from_gallery = (list(faces_on([source], verifier)) for source in (str(photos), gallery.address))
    assert sum(isinstance(found, FaceSimError) for found in from_photos) == 2
    faces = [sorted(row.embedding.tobytes() for found in source if isinstance(found, list) for row in found)
             for source in (from_photos, from_gallery)]  # fmt: skip
    assert len(faces[0]) == 4
    assert faces[0] == faces[1]
    assert all(isinstance(found[0].box, Box) for found in from_gallery)
