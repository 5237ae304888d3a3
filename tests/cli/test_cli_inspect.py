import json
import shutil

import pytest
from PIL import Image

from facesim.data.exclusions import FILE_NAME, read_exclusions

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def photos(tmp_path, hopper, collins):
    """Two people, one of whom also stands under the other's name."""
    for name, source in (("grace/1.jpg", hopper), ("eileen/1.jpg", collins), ("eileen/2.jpg", hopper)):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_inspect_prints_and_draws_what_there_is(run, photos, tmp_path):
    status, printed, _ = run("inspect", photos)
    assert status == 0
    assert printed.startswith("photos: 3 photos of 2 identities\n")
    assert "eileen/2.jpg = grace/1.jpg (same bytes)" in printed
    with Image.open(tmp_path / "here" / "photos-inspected.png") as picture:
        assert picture.format == "PNG"
    assert not (photos / FILE_NAME).exists()


def test_fix_lists_what_a_second_look_then_counts_as_excluded(run, photos, tmp_path):
    before = {path: path.read_bytes() for path in photos.rglob("*.jpg")}
    status, printed, _ = run("inspect", photos, "--fix", "--json", "--draw", tmp_path / "seen.jpg")
    first = json.loads(printed)
    assert status == 0
    assert first["exclusion_lists"] == [str(photos / FILE_NAME)]
    assert first["picture"] == str(tmp_path / "seen.jpg")
    assert read_exclusions(photos / FILE_NAME) == set(first["to_exclude"]) == {"eileen/2.jpg", "grace/1.jpg"}
    again = json.loads(run("inspect", photos, "--json")[1])
    assert (first["excluded_before"], again["excluded_before"]) == (0, 2)
    assert again["to_exclude"] == first["to_exclude"]
    assert {path: path.read_bytes() for path in photos.rglob("*.jpg")} == before


def test_the_list_can_be_written_elsewhere(run, photos, tmp_path):
    assert run("inspect", photos, "--fix", "--exclusions", tmp_path / "list.txt")[0] == 0
    assert read_exclusions(tmp_path / "list.txt") == {"eileen/2.jpg", "grace/1.jpg"}
    assert not (photos / FILE_NAME).exists()


def test_preview_draws_a_row_per_photo(run, photos, tmp_path):
    status, printed, _ = run("preview", photos, "--photos", 2)
    assert status == 0
    assert "photos-preview.png" in printed
    run("preview", photos, "--photos", 1, "--draw", tmp_path / "one.png")
    with Image.open(tmp_path / "here" / "photos-preview.png") as two, Image.open(tmp_path / "one.png") as one:
        assert two.height == 2 * one.height


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("inspect", "DATA"),
        ("inspect nowhere", "nowhere is not a folder"),
        ("inspect PHOTOS/grace", "fewer than two sub-folders"),
        ("inspect PHOTOS --exclusions list.txt", "--fix"),
        ("inspect PHOTOS --draw seen.txt", "seen.txt"),
        ("inspect PHOTOS --draw none/seen.png", "none/seen.png"),
        ("inspect PHOTOS --draw PHOTOS", "PHOTOS"),
        ("inspect PHOTOS --fix --exclusions none/list.txt", "none/list.txt"),
        ("preview", "DATA"),
        ("preview nowhere", "nowhere is not a folder"),
        ("preview PHOTOS --draw seen.txt", "seen.txt"),
        ("preview PHOTOS --draw none/seen.png", "none/seen.png"),
        ("preview PHOTOS --augmentation 2", "--augmentation"),
        ("preview PHOTOS --photos 0", "--photos"),
    ],
)
def test_trouble_is_one_line_that_names_it(run, photos, arguments, named):
    status, printed, complaint = run(*(word.replace("PHOTOS", str(photos)) for word in arguments.split()))
    assert status == 2
    assert printed == ""
    complaint = complaint[complaint.index("facesim: ") :]  # after the progress
    assert named.replace("PHOTOS", str(photos)) in complaint
    assert complaint.count("\n") == 1
    assert complaint.endswith((".\n", "?\n"))
