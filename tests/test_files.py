import pytest

from facesim.files import write_whole


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
