import io

import pytest

from facesim.errors import FaceSimError
from facesim.pair_list import open_pair_list, read_pair_list
from facesim.pair_verdicts import ADDED, compare_rows, first_line


def listed(text: str, folder: str = ""):
    return read_pair_list(io.StringIO(text, newline=""), "pairs.csv", folder)


def test_further_columns_stand_where_they_stood():
    pairs = listed('id,photo2,"a, note",photo1\n1,b.jpg,"say ""hi""",a.jpg\n\n2,d.jpg,,c.jpg\n')
    assert pairs.columns == ("id", "photo2", "a, note", "photo1")
    first, second = pairs.rows
    assert first.fields == {"id": "1", "photo2": "b.jpg", "a, note": 'say "hi"', "photo1": "a.jpg"}
    assert list(second.fields.values()) == ["2", "d.jpg", "", "c.jpg"]


@pytest.mark.parametrize("text", ["", "\n", "photo1\na.jpg\n", "a.jpg,b.jpg\n", "photo1|photo2\n"])
def test_a_list_without_its_two_columns_is_refused(text):
    with pytest.raises(FaceSimError, match=r"pairs\.csv must begin with a line .* photo1 and photo2"):
        listed(text)


@pytest.mark.parametrize(("columns", "named"), [("photo1,note,note", "note"), ("photo1,,", "without a name")])
def test_two_columns_of_one_name_are_refused(columns, named):
    with pytest.raises(FaceSimError, match=f"two columns {named}"):
        listed(f"photo2,{columns}\n")


def test_facesims_own_columns_go_by_another_name_where_the_list_has_theirs():
    columns = ("photo1", "photo2", "distance", "error", "facesim_error")
    names = first_line(columns).strip().split(",")
    assert names[:5] == [*columns]
    assert names[5:] == [
        {"distance": "facesim_distance", "error": "facesim_facesim_error"}.get(name, name) for name in ADDED
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_file_itself_says_how_it_is_written(tmp_path, separator, encoding):
    lines = ["photo1 note photo2", "é,人.jpg old b;c.jpg", "  ", "", "a.jpg new b.jpg"]
    text = "\n".join(separator.join(f'"{field}"' if field else "" for field in line.split(" ")) for line in lines)
    (tmp_path / "pairs.csv").write_text(text, encoding)
    with open_pair_list(tmp_path / "pairs.csv") as pairs:
        rows = [row for row in pairs.rows if not row.problem]
    assert pairs.columns == ("photo1", "note", "photo2")
    assert [list(row.fields.values()) for row in rows] == [["é,人.jpg", "old", "b;c.jpg"], ["a.jpg", "new", "b.jpg"]]
    assert [row.line for row in rows] == [2, 5]


def test_blank_rows_are_no_pairs():
    pairs = listed(" ,\nphoto1,photo2\n,\n , \n\na.jpg,b.jpg\n  \n\t,\n")
    assert [(row.line, row.problem) for row in pairs.rows] == [(6, "")]


def test_a_first_line_that_is_not_understood_is_shown():
    with pytest.raises(FaceSimError, match=r"commas, semicolons or tabs; it begins with 'a\.jpg', ' photo2'\.$"):
        listed("a.jpg, photo2\n")
    with pytest.raises(FaceSimError, match=r"it begins with '“photo1”', '“photo2”' \(only plain quotes"):
        listed("“photo1”,“photo2”\n")


def test_typographic_quotes_are_said_to_be_none(verifier, tmp_path, hopper):
    (tmp_path / "“a”.jpg").symlink_to(hopper)
    pairs = listed("photo1,photo2\n“a.jpg”,b.jpg\n“a, b.jpg”,c.jpg\n“a”.jpg,“a”.jpg\n", str(tmp_path))
    (_, first), (_, second), (_, third) = compare_rows(verifier, pairs, "largest")
    assert str(first) == 'line 2: “a.jpg” does not exist (only plain quotes, ", count as quotes).'
    assert str(second) == 'line 3 has 3 fields, where the first has 2 (only plain quotes, ", count as quotes).'
    assert third.same


def test_a_row_without_a_photo_says_so(verifier):
    ((_, first),) = compare_rows(verifier, listed("photo1,photo2,note\na.jpg, ,old\n"), "largest")
    assert str(first) == "line 2 names no photo2."


def test_half_a_character_is_refused_with_its_line(tmp_path):
    (tmp_path / "pairs.csv").write_bytes("photo1,photo2\na.jpg,b.jpg\n".encode("utf-16") + b"a")
    with open_pair_list(tmp_path / "pairs.csv") as pairs, pytest.raises(FaceSimError, match="is not CSV"):
        list(pairs.rows)


def test_a_row_of_another_length_fails_alone(verifier, hopper):
    pairs = listed(f"photo1,photo2\n{hopper}\n{hopper},{hopper}\na, b.jpg,c.jpg\n")
    (_, first), (_, second), (_, third) = compare_rows(verifier, pairs, "largest")
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
    (_, first), (_, second) = compare_rows(verifier, pairs, "largest")
    assert first.distance == 0
    assert "download the photo" in str(second)
