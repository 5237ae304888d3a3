import os
import socket
import warnings

import pytest

from facesim.errors import FaceSimError, FaceSimWarning
from facesim.folder import people_below, photos_at, photos_in


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def listed(root):
    return [os.path.relpath(path, root) for path in photos_in(root)]


def test_the_photos_of_a_folder_are_found_by_their_suffix(tmp_path):
    fill(tmp_path, "b.JPG", "a.heic", "notes.txt", ".hidden.jpg", "sub/c.webp", ".git/d.jpg")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "sub" / "c.webp")
    words = "1 file that is no photo, 1 hidden file, 1 hidden folder, 1 link to a folder"
    with pytest.warns(FaceSimWarning) as warned:
        assert listed(tmp_path) == ["a.heic", "b.JPG", "linked.jpg", "sub/c.webp"]
    (said,) = warned
    assert str(said.message).startswith(f"skipped in {tmp_path}: ")
    assert sorted(str(said.message).removesuffix(".").split(": ")[1].split(", ")) == sorted(words.split(", "))


@pytest.mark.parametrize(
    "left",
    [
        *("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/a.jpg", ".@__thumb/a.jpg", "@Recycle/a.jpg"),
        *(".thumbnails/1.jpg", "__MACOSX/._a.jpg", "._a.jpg", ".DS_Store", ".picasaoriginals/a.jpg"),
        *("$RECYCLE.BIN/a.jpg", "System Volume Information/a.jpg", "Thumbs.db", "desktop.ini", ".Trash-1000/a.jpg"),
        *("lost+found/a.jpg", "THMBNL/C0001T01.JPG", ".Trashes/a.jpg", "Photos Library.photoslibrary/a.jpg"),
    ],
)
def test_what_cameras_and_systems_leave_is_skipped_and_counted(tmp_path, left):
    fill(tmp_path, "Ana/a.jpg", f"Ana/{left}")
    with pytest.warns(FaceSimWarning, match="1 hidden f"):
        assert people_below(tmp_path) == [(("Ana", "a.jpg"), "Ana")]


def test_an_ordinary_folder_is_read_without_a_word(tmp_path):
    fill(tmp_path, "@ana/a.jpg", "Originals/a.jpg", "people.csv", "facesim-exclude.txt", "empty/.keep")
    (tmp_path / "empty" / ".keep").unlink()
    with warnings.catch_warnings(action="error"):
        assert [person for _, person in people_below(tmp_path)] == ["@ana", "Originals"]


def test_what_can_not_be_read_is_a_photo_and_what_is_no_file_is_skipped(tmp_path):
    fill(tmp_path, "Ana/a.jpg", "Bo/x.jpg/b.jpg")
    (tmp_path / "Ana" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "Ana" / "round.jpg").symlink_to(tmp_path / "Ana" / "round.jpg")
    os.mkfifo(tmp_path / "Ana" / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "Ana" / "socket.jpg"))
    with pytest.warns(FaceSimWarning, match="2 special files"):
        assert listed(tmp_path) == ["Ana/a.jpg", "Ana/gone.jpg", "Ana/round.jpg", "Bo/x.jpg/b.jpg"]


def test_a_person_is_the_folder_that_holds_the_photo_however_deep(tmp_path):
    fill(tmp_path, "2023/Ana/a.jpg", "2024/Ana/b.jpg", "2024/trip/Bo/c.jpg", "Cy/d.jpg", "loose.jpg")
    with pytest.warns(FaceSimWarning) as warned:
        people = people_below(tmp_path)
    assert [person for _, person in people] == ["Ana", "Ana", "Bo", "Cy"]
    assert [parts for parts, _ in people] == sorted(parts for parts, _ in people)
    said = [str(warning.message) for warning in warned]
    assert f"skipped in {tmp_path}: 1 loose photo." in said
    assert f"in {tmp_path}: folders of one name are taken for one person: Ana (2023/Ana, 2024/Ana)." in said


def test_a_persons_folder_may_be_named_by_its_depth(tmp_path):
    fill(tmp_path, "Ana/2023/a.jpg", "Ana/2024/x/b.jpg", "Bo/c.jpg", "loose.jpg")
    with pytest.warns(FaceSimWarning, match="1 loose photo"):
        assert [person for _, person in people_below(tmp_path, depth=1)] == ["Ana", "Ana", "Bo"]
    with pytest.warns(FaceSimWarning, match="2 loose photos"):
        assert [person for _, person in people_below(tmp_path, depth=2)] == ["2023", "2024"]


def test_a_persons_folder_in_anothers_is_reported(tmp_path):
    fill(tmp_path, "Ana/a.jpg", "Ana/holiday/b.jpg")
    with pytest.warns(FaceSimWarning, match=r"taken for other people: Ana/holiday\."):
        assert [person for _, person in people_below(tmp_path)] == ["Ana", "holiday"]


def test_where_there_is_no_photo_the_refusal_is_enough(tmp_path):
    fill(tmp_path, "notes.txt", "sub/._a.jpg")
    with warnings.catch_warnings(action="error"), pytest.raises(FaceSimError, match="there is no photo"):
        list(photos_at([str(tmp_path)]))


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path, refuses):
    with refuses(tmp_path / "nowhere"):
        list(photos_in(tmp_path / "nowhere"))
