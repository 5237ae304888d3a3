import numpy as np
import pytest

from facesim.errors import FaceSimError
from facesim.evaluation.explore.map import map_embeddings
from facesim.evaluation.explore.map_signs import LEGEND, SIGNS, legend_of, signs_of


@pytest.fixture
def embeddings():
    """Three people, 25 photos each, as unit embeddings."""
    random = np.random.default_rng(0)
    people = np.repeat(random.normal(size=(3, 16)), 25, axis=0)
    embeddings = people + 0.1 * random.normal(size=people.shape)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_pca_is_what_a_singular_value_decomposition_gives(embeddings):
    found = map_embeddings(embeddings)
    left, scale, _ = np.linalg.svd(embeddings - embeddings.mean(0), full_matrices=False)
    expected = left[:, :2] * scale[:2]
    signs = np.sign((found.points * expected).sum(0))  # a component may point either way
    np.testing.assert_allclose(found.points, expected * signs, atol=1e-9)
    np.testing.assert_allclose(found.explained_variance, scale[:2] ** 2 / (scale**2).sum(), atol=1e-12)


def test_tsne_keeps_people_together_and_explains_nothing(embeddings):
    found = map_embeddings(embeddings, "tsne", seed=1)
    assert found.explained_variance is None
    person = np.repeat(np.arange(3), 25)
    distances = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (person[distances.argmin(1)] == person).all()
    np.testing.assert_array_equal(map_embeddings(embeddings, "tsne", seed=1).points, found.points)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_three_embeddings_are_enough(embeddings, method):
    points = map_embeddings(embeddings[[0, 30, 60]], method).points
    assert points.shape == (3, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_what_cannot_be_laid_out_is_refused(embeddings, method):
    with pytest.raises(FaceSimError, match=r"needs 3 .* not an array \(2, 16\)\.$"):
        map_embeddings(embeddings[:2], method)
    with pytest.raises(FaceSimError, match="not an array"):
        map_embeddings(embeddings[:, 0], method)
    with pytest.raises(FaceSimError, match="all 4 embeddings are the same"):
        map_embeddings(embeddings[[0, 0, 0, 0]], method)
    embeddings[3] = np.nan
    with pytest.raises(FaceSimError, match="no face"):
        map_embeddings(embeddings, method)


def test_a_method_of_another_name_is_refused(embeddings):
    with pytest.raises(FaceSimError, match=r"umap.*pca or tsne"):
        map_embeddings(embeddings, "umap")


def test_no_two_identities_share_a_sign():
    some = np.array([f"{i:03}" for i in range(len(SIGNS))] + [""])
    assert len(set(signs_of(some).values())) == len(SIGNS)
    many = np.array([f"{i:03}" for i in range(300)] + ["200", "100", "100"])
    assert list(signs_of(many)) == ["100", "200"]  # one photo is near to no other of its identity


def test_the_legend_is_short_or_not_there():
    few = np.array([f"{i:02}" for i in range(LEGEND)])
    assert list(legend_of(few)) == few.tolist()
    assert list(legend_of(np.append(few[1:], ""))) == [*few[1:].tolist(), "unknown"]
    assert legend_of(np.append(few, "one more")) == {}
    assert legend_of(np.array(["", "", ""])) == {}
