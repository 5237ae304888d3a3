import math

import numpy as np
import pytest
from PIL import Image

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.detector.crop import WIDE_CROP_SIZE
from facesim.detector.selection import FoundFace
from facesim.errors import FaceSimError
from facesim.evaluation.explore.neighbours import Neighbours, PhotoNeighbours, nearest
from facesim.evaluation.explore.neighbours_picture import draw_neighbours


@pytest.mark.parametrize("k", [1, 7, 40, 1000])
def test_the_nearest_are_those_of_a_plain_loop(k):
    random = np.random.default_rng(k)
    query, embeddings = (
        random.normal(size=3),
        random.integers(-1, 2, (40, 3)).astype(np.float32),
    )  # many are equally near
    embeddings[[0, 5, 39]] = np.nan
    expected = []
    for i, row in enumerate(embeddings.tolist()):
        if not math.isnan(row[0]):
            expected.append((math.dist(query, row), i))
    expected = sorted(expected)[:k]
    found = nearest(query, embeddings, k)
    np.testing.assert_allclose(found.distances, [distance for distance, _ in expected])
    assert found.indices.tolist() == [i for _, i in expected]


def test_where_nobody_has_a_face_there_is_no_neighbour():
    assert len(nearest(np.ones(2), np.full((3, 2), np.nan), 2).indices) == 0
    assert len(nearest(np.ones(2), np.empty((0, 2)), 2).indices) == 0


@pytest.mark.parametrize(
    ("query", "embeddings", "k"),
    [(np.ones(2), np.ones((3, 3)), 1), (np.ones((1, 2)), np.ones((3, 2)), 1), (np.ones(2), np.ones((3, 2)), 0)],
)
def test_what_makes_no_sense_is_refused(query, embeddings, k):
    with pytest.raises(FaceSimError):
        nearest(query, embeddings, k)


def neighbours_of(query_identity):
    """Black crops of Ana, of Bo, and of somebody unknown, at 0.1, 0.2 and 0.3 from a query."""
    dataset = Dataset("photos", None, ("a.jpg", "b.jpg", "c.jpg"), np.array(["Ana", "Bo", ""]))
    wide = np.zeros((3, WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3), np.uint8)
    crops = CachedCrops(wide, {}, np.ones(3, int), np.ones((3, 2), int), np.full(3, "hog"))
    crop = np.zeros((160, 160, 3), np.uint8)
    query = FoundFace("query.jpg", None, 1)
    found = Neighbours(np.arange(3), np.array([0.1, 0.2, 0.3]))
    return PhotoNeighbours(query, crop, query_identity, dataset, crops, found, 3, 0.2)


def test_same_is_the_models_word_and_right_is_the_names():
    found = neighbours_of("Ana")
    assert [one.same for one in found.ranked()] == [True, False, False]  # same iff distance < threshold
    assert [one.same_identity for one in found.ranked()] == [True, False, None]
    assert [one.same_identity for one in neighbours_of("").ranked()] == [None, None, None]


@pytest.mark.parametrize(("identity", "frames"), [("Ana", "green red grey"), ("", "grey grey grey")])
def test_frames_are_green_red_or_grey(identity, frames):
    picture = draw_neighbours(neighbours_of(identity))
    colours = {"green": (0x1A, 0x7F, 0x37), "red": (0xC6, 0x28, 0x28), "grey": (0x6B, 0x70, 0x76)}
    row = [picture.getpixel((x, 10)) for x in range(picture.width)]  # through the frames' upper edges
    seen = dict.fromkeys(name for pixel in row for name, colour in colours.items() if pixel == colour)
    assert list(seen) == list(dict.fromkeys(frames.split()))


def test_more_neighbours_than_fit_a_row_begin_another(tmp_path):
    found = neighbours_of("Ana")
    one = draw_neighbours(found)
    many = Neighbours(np.zeros(11, int), np.linspace(0, 1, 11))
    found = PhotoNeighbours(
        found.query, found.query_crop, "<$Ä" * 40, found.dataset, found.crops, many, 11, found.threshold
    )
    three = draw_neighbours(found)
    assert 2.8 * one.height < three.height <= 3 * one.height
    assert isinstance(three, Image.Image)
