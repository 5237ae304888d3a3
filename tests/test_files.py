import os
from pathlib import Path

import pytest

from facesim.errors import FaceSimError
from facesim.files import check_apart, check_folder, check_writable, write_folder, write_whole
from facesim.text import printable


def test_the_file_is_replaced_once_the_block_has_succeeded(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with write_whole(path) as scratch:
        scratch.write_text("new")
        assert path.read_text() == "old"
        assert scratch.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("begun", [True, False])
def test_a_failing_block_leaves_the_old_file_and_no_scratch_file(tmp_path, failure, begun):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(failure), write_whole(path) as scratch:  # noqa: PT012
        if begun:
            scratch.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_known_before_the_work(tmp_path):
    check_writable(tmp_path / "file.txt")
    with pytest.raises(FaceSimError, match="make it first"):
        check_writable(tmp_path / "none" / "file.txt")
    with pytest.raises(FaceSimError, match="it is a folder"):
        check_writable(tmp_path)
    with pytest.raises(FaceSimError, match="read-only"):
        check_writable(Path("/proc/file.txt"))  # where not even root may write
    check_folder(tmp_path / "none" / "folder")
    with pytest.raises(FaceSimError, match="read-only"):
        check_folder(Path("/proc/none/folder"))
    (tmp_path / "file").touch()
    with pytest.raises(FaceSimError, match="is a file"):
        check_folder(tmp_path / "file" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_output_is_none_of_the_inputs_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("photos") / "Ana"
    folder.mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "notes.txt"):
        (folder / name).write_text(name)
    os.link(folder / "1.jpg", "hard")
    os.symlink(folder / "1.jpg", "soft")
    for output in (folder / "1.jpg", Path("photos/../photos/Ana/1.jpg"), Path("hard"), Path("soft")):
        for read in (folder / "1.jpg", "photos", "hard", "soft", tmp_path / "soft"):
            with pytest.raises(
                FaceSimError, match=f"{output} cannot be written: it is the file .*, which is read; name"
            ):
                check_apart([Path("new"), output], ["gone", read])
    check_apart(
        [folder / "2.jpg", folder / "notes.txt", Path("new"), Path("photos")], [folder / "1.jpg", "gone", "new"]
    )
    check_apart([folder / "notes.txt", folder / "3.jpg"], ["photos"])
    check_apart([Path(os.devnull)], [os.devnull])  # which nothing can destroy


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FaceSimError, match="no ordinary file"), write_whole(path) as scratch:
        scratch.write_text("new")
    assert path.is_fifo()


def test_a_folder_appears_with_all_its_files(tmp_path):
    folder = tmp_path / "a" / "b"
    with write_folder(folder) as scratch:
        (scratch / "one").write_text("1")
        (scratch / "two").write_text("2")
        assert not folder.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]
    (folder / "own").write_text("the user's")
    with write_folder(folder) as scratch:
        (scratch / "one").write_text("new")
        assert (folder / "one").read_text() == "1"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"one": "new", "two": "2", "own": "the user's"}
    assert [path.name for path in folder.parent.iterdir()] == ["b"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, OSError, FaceSimError])
def test_a_folder_that_fails_leaves_nothing(tmp_path, failure):
    expected = FaceSimError if failure is OSError else failure
    with pytest.raises(expected), write_folder(tmp_path / "a" / "b") as scratch:  # noqa: PT012
        (scratch / "one").write_text("1")
        raise failure
    assert not list(tmp_path.iterdir())


def test_any_name_becomes_one_line_of_text():
    assert printable("Ana\n <$1>\udcff é") == "Ana <$1>? é"
