import itertools
import time
import tracemalloc

import numpy as np
import pytest

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
