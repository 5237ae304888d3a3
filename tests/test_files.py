import pytest

from facesim.errors import FaceSimError
from facesim.files import check_writable, printable, write_whole


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


def test_a_path_that_cannot_be_written_is_known_before_the_work(tmp_path, monkeypatch):
    check_writable(tmp_path / "file.txt")
    with pytest.raises(FaceSimError, match="make it first"):
        check_writable(tmp_path / "none" / "file.txt")
    with pytest.raises(FaceSimError, match="it is a folder"):
        check_writable(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(FaceSimError, match="read-only"):
        check_writable(tmp_path / "file.txt")


def test_any_name_becomes_one_line_of_text():
    assert printable("Ana\n <$1>\udcff é") == "Ana <$1>? é"
