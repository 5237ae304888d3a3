import shutil
import threading

import numpy as np
import pytest

from facesim.detector import cnn, shipped
from facesim.detector.finding import find_faces
from facesim.photo import open_photo


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The detectors' files in a folder of their own, not yet loaded."""
    for name in shipped.CHECKSUMS:
        shutil.copy(shipped.FOLDER / name, tmp_path)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    cnn._session.cache_clear()
    yield tmp_path
    cnn._session.cache_clear()


def in_a_new_thread(work) -> list:
    """Return what `work` raises in a thread that has loaded no HOG detector."""
    raised = []

    def run():
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


@pytest.mark.parametrize("name", shipped.CHECKSUMS)
@pytest.mark.parametrize("damage", ["missing", "cut short", "a bit flipped"])
def test_a_damaged_file_is_named(files, collins, name, damage):
    path = files / name
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage == "cut short":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "a bit flipped":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    (error,) = in_a_new_thread(lambda: find_faces(open_photo(collins), small_too=True))
    assert str(path) in str(error)
    assert str(error).endswith("install facesim again.")


def test_whole_files_are_loaded(files, collins):
    assert in_a_new_thread(lambda: find_faces(open_photo(collins), small_too=True)) == []


def test_the_cnn_is_not_loaded_where_hog_is_sure(files, hopper, collins):
    assert all(len(find_faces(open_photo(photo))) == 1 for photo in (hopper, collins))
    assert cnn._session.cache_info().currsize == 0
    find_faces(open_photo(np.zeros((50, 50, 3), np.uint8)))
    assert cnn._session.cache_info().currsize == 1
