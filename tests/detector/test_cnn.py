import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pictures import is_about, middle, turned_box
from PIL import Image

from facesim.detector import cnn
from facesim.detector.box import Box, overlap
from facesim.detector.cnn import NEUTRAL, Window, cnn_windows, distinct, face_in
from facesim.detector.finding import find_faces
from facesim.detector.ladder import NEAR
from facesim.detector.shipped import shipped_file
from facesim.photo import open_photo


def best(photo: Image.Image, sides=NEAR.sides, angle: int = 0) -> Window:
    return distinct(cnn_windows(open_photo(photo), sides, angle))[0]


def test_the_shipped_network_is_what_the_importer_makes_of_dlibs_file():
    pytest.importorskip("onnx")
    weights = pytest.importorskip("facesim.training.detector_weights")
    layers = weights.read_detector(weights.find_dlib_file(weights.DETECTOR_FILE))
    assert weights.detector_model(layers).SerializeToString() == shipped_file("cnn.onnx").read_bytes()


def test_another_file_is_not_imported(tmp_path, refuses):
    weights = pytest.importorskip("facesim.training.detector_weights")
    path = tmp_path / "weights.dat"
    path.write_bytes(weights.find_dlib_file(weights.DETECTOR_FILE).read_bytes()[:300_000])
    with refuses(path):
        weights.read_detector(path)


def test_scores_and_places_are_dlibs_own(portrait):
    dlib = pytest.importorskip("dlib")
    files = pytest.importorskip("facesim.training.dlib_files")
    photo, _ = portrait
    (dlibs,) = dlib.cnn_face_detection_model_v1(str(files.find_dlib_file(files.DETECTOR_FILE)))(np.asarray(photo), 0)
    steps = [max(photo.size) * (5 / 6) ** step for step in range(12)]
    ours = max(cnn_windows(open_photo(photo), steps))
    assert ours.score == pytest.approx(dlibs.confidence, abs=0.06)  # of another filter in resizing, and another border
    rect = dlibs.rect
    assert overlap(cnn._box(*ours[1:]), Box(rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1)) > 0.6


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_window_lies_where_the_face_is_however_the_photo_is_turned(portrait, angle):
    photo, eyes = portrait
    lying = photo.rotate(-angle, expand=True)
    window = best(lying, angle=angle)
    expected = turned_box(best(photo).box(), -angle, photo.size, lying.size)
    assert is_about(window.box(angle), expected)
    assert np.hypot(*np.subtract(middle(best(photo).box()), eyes.mean(axis=0))) < 0.35 * window.side


def test_a_face_that_fills_the_photo_is_seen_better_in_a_neutral_border_than_in_black(portrait, monkeypatch):
    photo, eyes = portrait
    apart = eyes[1, 0] - eyes[0, 0]
    left, top = eyes.mean(axis=0) - (0.8 * apart, 0.45 * apart)
    tight = photo.crop([round(edge) for edge in (left, top, left + 1.6 * apart, top + 1.6 * apart)])
    score = best(tight).score
    assert score > 0.7
    monkeypatch.setattr(cnn, "NEUTRAL", (0, 0, 0))
    assert max(cnn_windows(open_photo(tight), NEAR.sides), default=Window(-1, 0, 0, 0)).score < score


@pytest.mark.parametrize("largest", [100, 170, 333])
def test_a_photo_in_tiles_shows_what_it_shows_whole(both, monkeypatch, largest):
    whole = distinct(cnn_windows(open_photo(both), (330, 700)))
    monkeypatch.setattr(cnn, "MAX_TILE", largest)
    tiled = distinct(cnn_windows(open_photo(both), (330, 700)))
    assert len(whole) == len(tiled) == 2
    for one, other in zip(sorted(whole), sorted(tiled), strict=True):
        assert one.score == pytest.approx(other.score, abs=0.1)
        assert overlap(one.box(), other.box()) > 0.75


def test_windows_of_one_face_become_one_in_their_middle():
    windows = [
        Window(1.0, 100, 100, 80),
        Window(1.0, 108, 100, 80),
        Window(0.5, 104, 104, 90),
        Window(0.4, 300, 90, 60),
    ]
    one, other = distinct(windows)
    assert 100 < one.x < 108
    assert 100 < one.y < 102
    assert 80 < one.side < 85
    assert one.score == 1
    assert other == pytest.approx(windows[-1])
    assert distinct([]) == []


def test_of_a_photo_of_thousands_no_more_faces_are_looked_at_than_the_best_ones():
    windows = [
        Window(score, 100 * x, 100 * y, 80) for x in range(60) for y in range(50) for score in (0.5, 0.5 + y / 99)
    ]
    faces = distinct(windows)
    assert len(faces) == cnn.MAX_FACES
    assert min(face.score for face in faces) > 0.9


@pytest.mark.parametrize("angle", range(0, 360, 30))
def test_a_face_is_turned_upright_from_any_angle(portrait, angle):
    photo, _ = portrait
    window = best(photo)
    turned = photo.rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=NEUTRAL)
    x, y = middle(turned_box(cnn._box(*window[1:]), -angle, photo.size, turned.size))
    face = face_in(open_photo(turned), Window(1.0, x, y, window.side))
    assert -45 <= face.angle < 315
    assert abs((face.angle - angle + 180) % 360 - 180) <= 30
    assert is_about(face.box, turned_box(window.box(), -angle, photo.size, turned.size))


def test_threads_share_the_network(portrait):
    photo, _ = portrait
    alone = cnn_windows(open_photo(photo), NEAR.sides)
    with ThreadPoolExecutor(8) as pool:
        assert all(seen == alone for seen in pool.map(lambda _: cnn_windows(open_photo(photo), NEAR.sides), range(24)))


def test_a_forked_process_finds_faces_too(collins):
    find_faces(open_photo(collins), small_too=True)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert len(pool.apply_async(_count, (collins,)).get(timeout=60)) == 1


def _count(path) -> list:
    return find_faces(open_photo(path), small_too=True)
