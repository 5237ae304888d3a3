import io
import itertools
import shutil
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from facesim import bulk
from facesim.bulk import embed_groups
from facesim.errors import FaceSimError


def test_groups_come_back_in_their_order_with_errors_in_their_place(verifier, hopper, collins):
    groups = [(hopper,), ("nowhere.jpg",), (collins, hopper), (collins, "nowhere.jpg"), ()]
    first, second, third, fourth, fifth = embed_groups(groups, verifier.embed_faces)
    assert np.array_equal(first[0].embeddings, third[1].embeddings)
    assert third[0].faces[0].photo == str(collins)
    assert isinstance(second, FaceSimError)
    assert isinstance(fourth, FaceSimError)
    assert fifth == []


@pytest.mark.parametrize(("room", "times"), [(2, 1), (1, 2)])
def test_a_path_is_embedded_once_while_there_is_room_to_remember_it(
    verifier, hopper, collins, monkeypatch, room, times
):
    monkeypatch.setattr(bulk, "REMEMBERED", room)
    embedded = []

    def embed(photo):
        embedded.append(photo)
        return verifier.embed_faces(photo)

    list(embed_groups([(hopper, collins), (str(hopper),)], embed))
    assert embedded.count(str(hopper)) == times
    assert embedded.count(str(collins)) == 1


def test_nothing_is_remembered_where_no_path_comes_twice(verifier, hopper):
    embedded = []

    def embed(photo):
        embedded.append(photo)
        return verifier.embed_faces(photo)

    list(embed_groups([(hopper,), (hopper,)], embed, unique=True))
    assert embedded == [hopper, hopper]


def test_what_is_there_is_given_before_more_is_asked_for(verifier, hopper):
    asked = []

    def groups():
        for number in range(3):
            asked.append(number)
            yield (hopper,)
            while len(given) <= number:  # whoever asks waits for the answer before it goes on
                time.sleep(0.01)

    given = []
    for embedded in embed_groups(groups(), verifier.embed_faces):
        given.append((embedded, list(asked)))
    assert [count for _, count in given] == [[0], [0, 1], [0, 1, 2]]


def test_an_error_of_the_list_itself_comes_after_what_went_before(verifier, hopper):
    def groups():
        yield (hopper,)
        raise OSError("the list broke off")

    embedded = embed_groups(groups(), verifier.embed_faces)
    assert next(embedded)[0].faces
    with pytest.raises(OSError, match="broke off"):
        next(embedded)


def test_whoever_stops_listening_stops_the_reading(verifier, hopper):
    read = itertools.count()
    embedded = embed_groups(((hopper,) for _ in iter(lambda: next(read), -1)), verifier.embed_faces)
    next(embedded)
    embedded.close()
    time.sleep(0.2)
    so_far = next(read)
    time.sleep(0.2)
    assert next(read) == so_far + 1


def test_memory_does_not_grow_with_the_number_of_groups(verifier, hopper, collins):
    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        for embedded in embed_groups(((hopper, collins) for _ in range(count)), verifier.embed_faces):
            assert len(embedded) == 2
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        few, many = peak(bulk._PATHS_AHEAD * 2), peak(bulk._PATHS_AHEAD * 8)
    finally:
        tracemalloc.stop()
    assert many < 2 * few


def distances(verifier, photos, expected) -> list[float]:
    """How far each photo of an iterable is from the one expected in its place."""
    own = verifier.embed(expected).embeddings
    embedded = list(embed_groups(((photo,) for photo in photos), verifier.embed_faces))
    assert len(embedded) == len(own)
    return [float(np.linalg.norm(found[0].embeddings[0] - one)) for found, one in zip(embedded, own, strict=True)]


def test_a_file_that_was_overwritten_is_a_new_photo(verifier, hopper, collins, tmp_path):
    path, given = tmp_path / "frame.jpg", []

    def groups():
        for number, photo in enumerate((None, hopper, collins, None, hopper, hopper)):
            if photo is None:
                path.unlink(missing_ok=True)
            else:
                shutil.copy(photo, path)
            yield (path,)
            while len(given) <= number:
                time.sleep(0.001)

    for outcome in embed_groups(groups(), verifier.embed_faces):
        given.append(outcome)
    assert [isinstance(outcome, FaceSimError) for outcome in given] == [True, False, False, True, False, False]
    one, other = verifier.embed([hopper, collins]).embeddings
    for outcome, expected in zip((given[i] for i in (1, 2, 4, 5)), (one, other, one, one), strict=True):
        assert np.array_equal(outcome[0].embeddings[0], expected)


def test_a_file_that_changed_before_it_was_read_is_not_remembered_as_it_was(verifier, hopper, collins, tmp_path):
    link = tmp_path / "latest.jpg"
    link.symlink_to(hopper)
    embedded = []

    def embed(path):  # between being named and being read it is pointed elsewhere, and back again later
        link.unlink()
        link.symlink_to((collins, hopper)[len(embedded)])
        embedded.append(verifier.embed_faces(path))
        return embedded[-1]

    def groups():
        for number in range(2):
            yield (link,)
            while len(given) <= number:
                time.sleep(0.001)
            link.unlink()
            link.symlink_to(hopper)

    given = []
    for outcome in embed_groups(groups(), embed):
        given.append(outcome[0].embeddings[0])
    expected = verifier.embed([collins, hopper]).embeddings
    assert np.array_equal(given, expected)


def test_a_failure_is_not_remembered(verifier, hopper, tmp_path):
    shutil.copy(hopper, tmp_path / "photo.jpg")
    tries = []

    def embed(path):
        tries.append(path)
        if len(tries) == 1:
            raise FaceSimError("no memory was left.")
        return verifier.embed_faces(path)

    def groups():
        yield (tmp_path / "photo.jpg",)
        while not given:
            time.sleep(0.001)
        yield (tmp_path / "photo.jpg",)

    given = []
    for outcome in embed_groups(groups(), embed):
        given.append(outcome)
    assert isinstance(given[0], FaceSimError)
    assert given[1][0].faces


def test_a_buffer_that_its_owner_goes_on_using_counts_as_it_was_when_it_was_given(verifier, hopper, collins, tmp_path):
    order = [hopper, collins] * 2
    pixels = {path: np.asarray(Image.open(path).convert("RGB").resize((320, 320))) for path in (hopper, collins)}

    def frames():
        buffer = np.zeros((320, 320, 3), np.uint8)
        for path in order:
            buffer[:] = pixels[path]
            yield buffer

    def files():
        file = io.BytesIO()
        for path in order:
            file.seek(0)
            file.truncate()
            file.write(path.read_bytes())
            file.seek(0)
            yield file

    def blocks():
        block = bytearray()
        for path in order:
            block[:] = path.read_bytes()
            yield block

    def animation():
        first, *others = (Image.fromarray(pixels[path]) for path in order)
        first.save(tmp_path / "frames.gif", save_all=True, append_images=others)
        with Image.open(tmp_path / "frames.gif") as gif:
            for number in range(gif.n_frames):
                gif.seek(number)
                yield gif

    assert max(distances(verifier, frames(), [pixels[path] for path in order])) < 1e-5
    assert max(distances(verifier, files(), order)) < 1e-5
    assert max(distances(verifier, blocks(), order)) < 1e-5
    assert max(distances(verifier, animation(), [pixels[path] for path in order])) < 0.25  # in 256 colours
    assert max(np.linalg.norm(np.diff(verifier.embed(frames()).embeddings, axis=0), axis=1)) > 0.3


def test_one_object_in_both_places_of_a_pair_is_read_once(verifier, hopper):
    for photo in (io.BytesIO(hopper.read_bytes()), Image.open(hopper)):
        ((first, second),) = embed_groups([(photo, photo)], verifier.embed_faces)
        assert np.array_equal(first.embeddings, second.embeddings)


def test_a_photo_in_memory_that_fails_is_told_from_others_by_its_place(verifier, hopper):
    empty, wrong = Image.new("RGB", (0, 0)), np.zeros((4, 4))
    pairs = [(hopper, hopper), (hopper, wrong), (empty, hopper), (hopper, b"")]
    _, second, third, fourth = embed_groups(pairs, verifier.embed_faces)
    assert str(second).startswith("the second photo of pair 2 has the shape (4, 4)")
    assert str(third) == "the first photo of pair 3 is empty: it has no pixels."
    assert str(fourth) == "the second photo of pair 4 is empty: it holds no photo."
    failures = verifier.embed([hopper, wrong, Image.new("RGB", (90, 90), "red")]).failures
    assert str(failures[1]).startswith("photo 2 has the shape")
    assert "no face was found in photo 3" in str(failures[2])


@pytest.mark.parametrize(("most", "ahead"), [(bulk.MAX_HELD, 16), (12_000_000, 3)])
def test_few_photos_in_memory_are_read_ahead_and_fewer_of_large_ones(monkeypatch, most, ahead):
    monkeypatch.setattr(bulk, "MAX_HELD", most)
    read = []

    def groups():
        while True:
            read.append(1)
            yield (np.zeros((1000, 1000, 3), np.uint8),)

    embedded = embed_groups(groups(), lambda photo: time.sleep(0.1) or photo.size)
    assert next(embedded) == [(1000, 1000)]
    patience = time.monotonic() + 20
    while len(read) < ahead and time.monotonic() < patience:
        time.sleep(0.05)
    time.sleep(0.2)
    assert ahead <= len(read) <= 2 * ahead + 6
    embedded.close()


def test_a_single_photo_given_for_many_is_refused(verifier, hopper):
    data = hopper.read_bytes()
    with Image.open(hopper) as image:
        pixels = np.asarray(image)
    for photo in (str(hopper), hopper, data, io.BytesIO(data), image, pixels):
        with pytest.raises(FaceSimError, match="a list of photos"):
            verifier.embed(photo)
    assert not verifier.embed(np.array([str(hopper)])).failures
    assert not verifier.embed(pixels[None]).failures
    for pairs in ([str(hopper)], (str(hopper), str(hopper)), [(hopper,)], [(hopper, hopper, hopper)]):
        with pytest.raises(FaceSimError, match="a list of pairs"):
            list(verifier.verify_many(pairs))
