import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facesim.detector.box import Box
from facesim.errors import FaceSimWarning
from facesim.gallery.enrol import enrol_upload
from facesim.gallery.export import export_photos, folder_names
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_or_create_gallery

BOX = Box(0, 0, 100, 100)


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "people"), model)


@pytest.fixture
def add(gallery, tmp_path):
    """Adds a photo, with a content of its own, that shows people; returns its path."""

    def add(path, *names) -> Path:
        photo = tmp_path / "photos" / path
        photo.parent.mkdir(parents=True, exist_ok=True)
        photo.write_text(path)
        embedding = np.eye(1, gallery.embedding_size, dtype=np.float32)[0]
        with gallery.writing():
            gallery.add([FaceRow(str(photo), 1, name, embedding, BOX) for name in names])
        return photo

    return add


def tree(folder: Path) -> dict[str, str]:
    """Return what each file in a folder holds, or which photo a link leads to."""
    return {
        str(path.relative_to(folder)): Path(os.readlink(path)).name if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def test_a_photo_stands_in_the_folder_of_each_person_on_it_and_the_unnamed_nowhere(gallery, add, tmp_path):
    both, alone = add("both.jpg", "Ana", "Ben", None), add("alone.jpg", "Ana")
    add("nobody.jpg", None)
    first, *_ = export_photos(gallery, tmp_path / "sorted")
    assert tree(tmp_path / "sorted") == {
        "Ana/alone.jpg": "alone.jpg",
        "Ana/both.jpg": "both.jpg",
        "Ben/both.jpg": "both.jpg",
    }
    assert (tmp_path / "sorted" / "Ben" / "both.jpg").samefile(both)
    assert (first.name, first.photo, first.is_new) == ("Ana", str(alone), True)
    (tmp_path / "sorted").rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "Ana" / "alone.jpg").read_text() == "alone.jpg"


@pytest.mark.skipif(os.name != "posix", reason="access is not by mode here")
def test_copies_are_their_owners_alone_and_as_old_as_the_photos(gallery, add, tmp_path):
    photo = add("a.jpg", "Ana")
    os.utime(photo, (1, 1))
    photo.chmod(0o444)
    list(export_photos(gallery, tmp_path / "sorted", copy=True))
    copied = tmp_path / "sorted" / "Ana" / "a.jpg"
    assert (copied.is_symlink(), copied.read_text(), copied.stat().st_mtime) == (False, "a.jpg", 1)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "sorted", copied.parent, copied, photo)]
    assert modes == [0o700, 0o700, 0o600, 0o444]


@pytest.mark.parametrize("copy", [False, True])
def test_photos_of_one_name_both_stay_and_another_run_adds_only_what_is_new(gallery, add, tmp_path, copy):
    add("2023/a.jpg", "Ana")
    add("2022/a.jpg", "Ana")
    add("2022/A.JPG", "Ana")
    list(export_photos(gallery, tmp_path / "sorted", copy))
    before = tree(tmp_path / "sorted")
    assert sorted(before) == ["Ana/A.JPG", "Ana/a (2).jpg", "Ana/a (3).jpg"]
    assert not any(each.is_new for each in export_photos(gallery, tmp_path / "sorted", copy))
    add("2021/a.jpg", "Ana")  # it comes first, but must not take another one's name
    assert sum(each.is_new for each in export_photos(gallery, tmp_path / "sorted", copy)) == 1
    added = {"Ana/a (4).jpg": "2021/a.jpg" if copy else "a.jpg"}
    assert tree(tmp_path / "sorted") == before | added


@pytest.mark.parametrize("copy", [False, True])
def test_what_is_not_ours_stays(gallery, add, tmp_path, copy):
    add("a.jpg", "Ana")
    (tmp_path / "sorted" / "Ana").mkdir(parents=True)
    (tmp_path / "sorted" / "Ana" / "a.jpg").write_text("not ours")
    list(export_photos(gallery, tmp_path / "sorted", copy))
    assert tree(tmp_path / "sorted") == {"Ana/a.jpg": "not ours", "Ana/a (2).jpg": "a.jpg"}


def test_copies_take_the_place_of_links_but_links_not_of_copies(gallery, add, tmp_path):
    photo = add("a.jpg", "Ana")
    for copy, is_link in ((False, True), (True, False), (False, False)):
        (exported,) = export_photos(gallery, tmp_path / "sorted", copy)
        assert exported.path.is_symlink() == is_link
        assert list(tree(tmp_path / "sorted")) == ["Ana/a.jpg"]
    assert photo.read_text() == "a.jpg"


def test_a_photo_that_has_gone_is_reported_and_the_others_are_there(gallery, add, tmp_path, refuses):
    gone, there = add("a.jpg", "Ana"), add("b.jpg", "Ana")
    gone.unlink()
    first, second = export_photos(gallery, tmp_path / "sorted")
    assert str(first.error) == f"{gone} is not there any more: bring it back, or facesim forget --photo."
    assert (second.photo, second.error) == (str(there), None)
    assert list(tree(tmp_path / "sorted")) == ["Ana/b.jpg"]


def test_names_become_folders_on_every_system_and_lead_nowhere_else():
    expected = {
        "Ana Li": "Ana Li",
        "Zoë": "Zoë",
        "..": "_",
        "../../etc": "_.._etc",
        "CON": "_CON",
        "com1.x": "_com1.x",
        "Jr.": "Jr",
        ".git": "git",
    }
    names = [*expected, "李" * 200, "a/b", "a|b"]
    folders = folder_names(names)
    assert {name: folders[name] for name in expected} == expected
    assert len(folders["李" * 200].encode()) <= 200
    assert folders["a/b"] != folders["a|b"]
    assert len({folder.casefold() for folder in folders.values()}) == len(names)
    assert folders == folder_names(reversed(names))


def test_names_that_are_the_same_but_for_capitals_have_folders_of_their_own():
    folders = folder_names(["Ana", "ANA", "Ana.", "Ben"])
    assert (folders["ANA"], folders["Ben"]) == ("ANA", "Ben")
    assert len({folder.casefold() for folder in folders.values()}) == 4


def test_a_folder_that_holds_the_photos_or_is_in_the_gallery_is_refused(gallery, add, tmp_path, refuses):
    photo = add("2023/a.jpg", "Ana")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    folders = (tmp_path, tmp_path / "photos", tmp_path / "photos" / "2023", tmp_path / "link")
    for folder in (*folders, tmp_path / "people", tmp_path / "people" / "sorted"):
        with refuses(folder):
            list(export_photos(gallery, folder))
    assert list(tree(tmp_path / "photos")) == ["2023/a.jpg"]
    (tmp_path / "sorted").mkdir()
    (tmp_path / "sorted" / "Ana").symlink_to(photo.parent)
    with refuses(tmp_path / "sorted" / "Ana"):
        list(export_photos(gallery, tmp_path / "sorted"))
    with pytest.warns(FaceSimWarning, match="would find them twice"):
        list(export_photos(gallery, photo.parent / "sorted"))


def test_nobody_and_a_file_in_the_way_are_a_sentence(gallery, add, tmp_path, refuses):
    with refuses(tmp_path / "people"):
        list(export_photos(gallery, tmp_path / "sorted"))
    add("a.jpg", "Ana")
    (tmp_path / "sorted").write_text("a file")
    with refuses(tmp_path / "sorted"):
        list(export_photos(gallery, tmp_path / "sorted"))


def test_who_is_killed_while_copying_leaves_whole_photos_only(gallery, add, tmp_path):
    for number in range(3):
        add(f"{number}.jpg", "Ana")
    program = """
import os, shutil, signal, sys
from pathlib import Path
from facesim.gallery import export
from facesim.gallery.store import open_gallery

def copy_half(photo, path):
    Path(path).write_bytes(Path(photo).read_bytes()[:2])
    if photo.endswith("1.jpg"):
        os.kill(os.getpid(), signal.SIGKILL)
    copyfile(photo, path)

copyfile, shutil.copyfile = shutil.copyfile, copy_half
list(export.export_photos(open_gallery(sys.argv[1]), Path(sys.argv[2]), copy=True))
"""
    ended = subprocess.run([sys.executable, "-c", program, gallery.address, tmp_path / "sorted"], capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert [file for file in tree(tmp_path / "sorted") if "/." not in file] == ["Ana/0.jpg"]
    list(export_photos(gallery, tmp_path / "sorted", copy=True))
    shown = {file: text for file, text in tree(tmp_path / "sorted").items() if "/." not in file}
    assert shown == {f"Ana/{number}.jpg": f"{number}.jpg" for number in range(3)}


def test_a_photo_that_was_sent_to_the_server_cannot_be_exported_and_says_so(
    gallery, verifier, add, hopper, tmp_path, monkeypatch, recwarn
):
    add("ana.jpg", "Ana")
    enrol_upload(gallery, verifier, hopper.read_bytes(), "Grace")
    monkeypatch.chdir(tmp_path)  # which holds no photo
    exported, failed = export_photos(gallery, tmp_path / "sorted")
    assert (exported.name, exported.error, failed.name) == ("Ana", None, "Grace")
    assert "was sent to facesim serve, which keeps no photos" in str(failed.error)
    assert not [warning for warning in recwarn if issubclass(warning.category, FaceSimWarning)]
