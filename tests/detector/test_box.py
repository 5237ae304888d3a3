import pytest

from facesim.detector.box import Box, off_centre, overlap


def test_off_centre_grows_with_the_distance_from_the_photos_centre():
    assert off_centre(Box(40, 40, 60, 60), (100, 100)) == 0
    assert off_centre(Box(43, 44, 63, 64), (100, 100)) == 2 * 5


def test_the_overlap_is_the_shared_part_of_the_area_covered_together():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap(Box(0, 0, 10, 10), Box(0, 0, 10, 10)) == 1
    assert overlap(Box(0, 0, 10, 10), Box(20, 20, 30, 30)) == 0
