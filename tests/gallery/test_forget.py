import shutil
from pathlib import Path

import pytest

from facesim.errors import FaceSimError
from facesim.gallery.embed import embed_locally, pending_photos
from facesim.gallery.enrol import enrol
from facesim.gallery.forget import Removed, forget, forget_all, forget_photo, forget_unnamed
from facesim.gallery.store import open_or_create_gallery


@pytest.fixture
def photos(tmp_path, hopper, both, faceless):
    """Photos of Grace Hopper, of her beside Eileen Collins, of nobody, and a copy of the first."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo, name in ((hopper, "grace.jpg"), (both, "both.png"), (faceless, "wall.png"), (hopper, "copy.jpg")):
        shutil.copy(photo, folder / name)
    return folder


@pytest.fixture
def gallery(tmp_path, verifier, photos):
    """A gallery in which all photos are embedded, and Grace is enrolled from two of them."""
    gallery = open_or_create_gallery(str(tmp_path / "gallery"), verifier.model)
    list(embed_locally(gallery, verifier, pending_photos(gallery, map(str, photos.iterdir()))))
    list(enrol(gallery, verifier, [(str(photos / name), "Grace") for name in ("grace.jpg", "both.png")]))
    return gallery


def held(gallery) -> list[tuple[str, str | None]]:
    return sorted(((Path(row.photo).name, row.name) for row in gallery.rows()), key=str)


def in_files(gallery, rows) -> list[bool]:
    """Return of each row whether any file of the gallery holds its embedding."""
    files = [path.read_bytes() for path in Path(gallery.address).rglob("*") if path.is_file()]
    return [any(row.embedding.tobytes() in file for file in files) for row in rows]


def test_with_a_person_go_the_same_faces_without_a_name_and_nobody_elses(gallery, photos, verifier):
    theirs = list(gallery.rows(names=["Grace"]))
    others = [row for row in gallery.rows(faces_only=True) if row.name is None and row.box.left > 500]
    assert in_files(gallery, theirs + others) == [True] * 3
    assert forget(gallery, "Grace") == Removed(face_count=5, photo_count=3)
    assert held(gallery) == [("both.png", None), ("wall.png", None)]
    assert in_files(gallery, theirs + others) == [False, False, True]
    with pytest.raises(FaceSimError, match="nobody in"):
        forget(gallery, "Grace")
    pending = pending_photos(gallery, map(str, photos.iterdir()))
    counts = list(embed_locally(gallery, verifier, pending))
    assert sum(each.face_count for each in counts) == 2  # who asks for them has them


def test_all_faces_of_a_photo_are_forgotten_even_where_it_has_gone(gallery, photos, monkeypatch, refuses):
    (photos / "both.png").unlink()
    theirs = [row for row in gallery.rows() if row.photo.endswith("both.png")]
    monkeypatch.chdir(photos)
    assert forget_photo(gallery, "both.png") == Removed(face_count=3, photo_count=1)
    assert held(gallery) == [("copy.jpg", None), ("grace.jpg", "Grace"), ("grace.jpg", None), ("wall.png", None)]
    assert not any(in_files(gallery, theirs))
    with refuses(photos / "both.png"):
        forget_photo(gallery, "both.png")
    assert forget_photo(gallery, str(photos / "wall.png")) == Removed(face_count=0, photo_count=1)


def test_faces_without_a_name_are_forgotten_and_those_with_one_kept(gallery, refuses):
    nameless = [row for row in gallery.rows(faces_only=True) if row.name is None and row.box.left > 500]
    assert forget_unnamed(gallery) == Removed(face_count=4, photo_count=3)
    assert held(gallery) == [("both.png", "Grace"), ("grace.jpg", "Grace"), ("wall.png", None)]
    assert in_files(gallery, nameless) == [False]
    with refuses(gallery.address):
        forget_unnamed(gallery)


def test_everything_is_forgotten(gallery, refuses):
    rows = list(gallery.rows(faces_only=True))
    assert forget_all(gallery) == Removed(face_count=6, photo_count=4)
    assert held(gallery) == []
    assert not any(in_files(gallery, rows))
    with refuses(gallery.address):
        forget_all(gallery)


def test_a_face_that_took_the_place_of_a_forgotten_one_in_its_photo_stays(gallery, photos, collins, verifier):
    shutil.copy(collins, photos / "grace.jpg")
    list(embed_locally(gallery, verifier, pending_photos(gallery, [str(photos / "grace.jpg")])))
    forget(gallery, "Grace")
    assert ("grace.jpg", None) in held(gallery)
