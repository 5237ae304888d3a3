import numpy as np
import pytest

from facesim.adoption.face_input import ARCFACE, ARCFACE_POINTS, FACE_INPUTS, Template, template_of_points
from facesim.errors import FaceSimError
from facesim.training.backbones import BACKBONES


def place(template, z):
    return template.scale * z + template.offset


def test_arcfaces_own_points_give_its_template():
    fitted = template_of_points(ARCFACE_POINTS)
    assert place(fitted, 0) == pytest.approx(place(ARCFACE, 0))
    assert place(fitted, 100 + 30j) == pytest.approx(place(ARCFACE, 100 + 30j))


def test_points_that_are_turned_enlarged_and_moved_mean_the_same_faces():
    moved = [(2 + 0.5j) * point + (3 - 20j) for point in ARCFACE_POINTS]
    fitted = template_of_points(tuple(moved))
    for point, ours in zip(ARCFACE_POINTS, moved, strict=True):
        assert place(fitted, ours) == pytest.approx(place(ARCFACE, point))


def test_points_that_are_not_quite_arcfaces_are_fitted_as_well_as_can_be():
    """No similarity nearby has a smaller squared error."""
    points = np.array(ARCFACE_POINTS) + np.array([2, -1j, 3 + 2j, 0, -2 + 1j])
    aims = place(ARCFACE, np.array(ARCFACE_POINTS))
    fitted = template_of_points(tuple(points.tolist()))

    def error(scale, offset):
        return (np.abs(place(Template(scale, offset), points) - aims) ** 2).sum()

    best = error(fitted.scale, fitted.offset)
    for step in (0.01, -0.01, 0.01j, -0.01j):
        assert error(fitted.scale + step, fitted.offset) > best
        assert error(fitted.scale, fitted.offset + step) > best


@pytest.mark.parametrize("points", [ARCFACE_POINTS[:4], (*ARCFACE_POINTS[:4], ARCFACE_POINTS[0]), (1j,) * 5])
def test_fewer_than_five_different_points_are_no_template(points):
    with pytest.raises(FaceSimError, match="five distinct points"):
        template_of_points(points)


def test_an_input_of_another_size_shows_the_same_square():
    small, large = ARCFACE, ARCFACE.resized(224)
    for corner in (0, 1, 1j, 1 + 1j):  # of the input's side, from its upper left edge
        edge = corner * 112 - (0.5 + 0.5j), corner * 224 - (0.5 + 0.5j)
        assert place(small, edge[0]) == pytest.approx(place(large, edge[1]))


@pytest.mark.parametrize(("template", "backbone"), [("sirius", "mobilefacenet"), ("dlib", "resnet29")])
def test_a_template_shows_what_the_same_network_sees_in_training(template, backbone):
    window = BACKBONES[backbone].window
    grid = FACE_INPUTS[template].template.grid(window.size, window.size)
    untilted = np.array([1, 0, 0, 0], np.float32) @ grid
    assert np.abs(untilted.reshape(-1, 2) - window.grid().numpy()[:, :2]).max() < 1e-3


def test_intels_template_has_the_eyes_where_arcfaces_has_them_but_for_its_other_shape():
    eyes = 128 * np.array([0.31556875 + 0.46157411j, 0.68262292 + 0.46157411j])
    aims = place(ARCFACE, np.array(ARCFACE_POINTS[:2]))
    assert np.abs(place(FACE_INPUTS["openmodelzoo"].template, eyes) - aims).max() < 5  # of the chip's 150 pixels
