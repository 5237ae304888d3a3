import pytest

from facesim.detector.box import Box, Face, main_first, marks, off_centre, overlap


def test_off_centre_grows_with_the_distance_from_the_photos_centre():
    assert off_centre(Box(40, 40, 60, 60), (100, 100)) == 0
    assert off_centre(Box(43, 44, 63, 64), (100, 100)) == 2 * 5


def test_the_overlap_is_the_shared_part_of_the_area_covered_together():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1
    assert overlap(Box(0, 0, 10, 10), Box(20, 20, 30, 30)) == 0


def boxes_in_order(*boxes: Box) -> list[Box]:
    return [face.box for face in main_first([Face(box) for box in boxes], (1000, 1000))]


def test_the_largest_face_comes_first_unless_another_is_about_as_large_and_more_central():
    large, nearly, small = Box(0, 0, 125, 125), Box(500, 500, 601, 601), Box(500, 400, 599, 499)
    assert boxes_in_order(small, large) == [large, small]
    assert boxes_in_order(large, nearly) == [nearly, large]
    assert boxes_in_order() == []


def test_a_face_that_the_edge_cuts_counts_as_two_thirds():
    cut, whole = Box(-1, 400, 148, 549), Box(800, 0, 900, 100)
    assert boxes_in_order(cut, whole) == [cut, whole]  # 99 pixels count, as large as the other, and more central
    assert boxes_in_order(Box(-1, 400, 118, 519), whole) == [whole, Box(-1, 400, 118, 519)]


def test_a_box_marks_what_it_frames_and_what_has_its_middle_in_it():
    assert marks(Box(0, 0, 100, 100), Box(30, 30, 50, 50))
    assert marks(Box(0, 0, 100, 100), Box(-20, 0, 220, 240)) is False
    assert marks(Box(0, 0, 100, 100), Box(10, 20, 150, 160))
    assert not marks(Box(0, 0, 100, 100), Box(90, 0, 190, 100))
