import io

import pytest

from facesim.errors import FaceSimError
from facesim.pair_list import ADDED, judge_rows, read_pair_list


def listed(text: str, folder: str = ""):
    return read_pair_list(io.StringIO(text, newline=""), "pairs.csv", folder)


def test_further_columns_stand_where_they_stood():
    pairs = listed('id,photo2,"a, note",photo1\n1,b.jpg,"say ""hi""",a.jpg\n\n2,d.jpg,,c.jpg\n')
    assert pairs.columns == ("id", "photo2", "a, note", "photo1")
    first, second = pairs.rows
    assert first.fields == {"id": "1", "photo2": "b.jpg", "a, note": 'say "hi"', "photo1": "a.jpg"}
    assert list(second.fields.values()) == ["2", "d.jpg", "", "c.jpg"]


@pytest.mark.parametrize("text", ["", "\n", "photo1\na.jpg\n", "a.jpg,b.jpg\n", "photo1;photo2\n"])
def test_a_list_without_its_two_columns_is_refused(text):
    with pytest.raises(FaceSimError, match=r"pairs\.csv must begin with a line .* photo1 and photo2"):
        listed(text)


@pytest.mark.parametrize("column", [*ADDED, "photo1"])
def test_a_column_that_would_stand_there_twice_is_refused(column):
    with pytest.raises(FaceSimError, match=f"column {column} "):
        listed(f"photo1,photo2,{column}\n")


def test_a_row_of_another_length_fails_alone(verifier, hopper):
    pairs = listed(f"photo1,photo2\n{hopper}\n{hopper},{hopper}\na, b.jpg,c.jpg\n")
    (_, first), (_, second), (_, third) = judge_rows(verifier, pairs, "largest")
    assert str(first) == "line 2 has 1 fields, where the first has 2."
    assert second.same
    assert str(third) == "line 4 has 3 fields, where the first has 2."


def test_what_is_no_csv_is_refused_with_its_line():
    pairs = listed("photo1,photo2\na.jpg,b.jpg\n" + "x" * 200_000 + ",b.jpg\n")
    assert next(pairs.rows).fields["photo1"] == "a.jpg"
    with pytest.raises(FaceSimError, match=r"pairs\.csv, line 3"):
        next(pairs.rows)


def test_photos_lie_relative_to_the_lists_folder(verifier, hopper):
    pairs = listed(f"photo1,photo2\n{hopper.name},{hopper}\n{hopper.name},https://example.org/a.jpg\n", hopper.parent)
    (_, first), (_, second) = judge_rows(verifier, pairs, "largest")
    assert first.distance == 0
    assert "download the photo" in str(second)
