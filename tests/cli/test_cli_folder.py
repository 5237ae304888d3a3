"""Every verb takes a folder for the same photos, and no entry of it ends the others."""

import json
import os
import shutil

import pytest

pytestmark = pytest.mark.usefixtures("own_folders")

SKIPPED = "1 hidden folder, 1 special file"


@pytest.fixture
def photos(tmp_path, hopper, collins):
    """Four photos of two people, two years apart, a link to nowhere, and what is to be skipped."""
    for name, photo in (("grace", hopper), ("eileen", collins)):
        for year in ("2023", "2024"):
            (tmp_path / "photos" / year / name).mkdir(parents=True)
            shutil.copy(photo, tmp_path / "photos" / year / name / f"{year}.jpg")
    grace = tmp_path / "photos" / "2023" / "grace"
    (grace / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(grace / "pipe.jpg")
    (grace / "@eaDir").mkdir()
    shutil.copy(hopper, grace / "@eaDir" / "thumbnail.jpg")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("inspect PHOTOS", 0),
        ("evaluate --data PHOTOS", 0),
        ("sweep --data PHOTOS", 0),
        ("map PHOTOS", 0),
        ("neighbours PHOTO PHOTOS", 0),
        ("preview PHOTOS", 0),
        ("predict PHOTO PHOTOS", 0),
        ("embed PHOTOS --to gallery", 2),  # some photos could not be read
        ("enrol gallery PHOTOS", 2),
    ],
)
def test_one_bad_entry_is_one_bad_entry(run, photos, hopper, arguments, expected):
    words = arguments.split()
    paths = {"PHOTOS": str(photos), "PHOTO": str(photos / "2024" / "grace" / "2024.jpg")}
    status, printed, said = run(*(paths.get(word, word) for word in words))
    assert status == expected
    assert printed
    (skipped,) = (line for line in said.splitlines() if "skipped in" in line)
    assert skipped == f"facesim: skipped in {photos}: {SKIPPED}."


def test_inspect_names_the_photo_that_cannot_be_read_and_who_is_on_the_others(run, photos):
    status, printed, _ = run("inspect", photos, "--json")
    told = json.loads(printed)
    assert status == 0
    assert told["unreadable"] == {"2023/grace/gone.jpg": "does not exist: check the path."}
    assert (told["photos"], told["identities"]) == (5, 2)


def test_people_are_enrolled_by_the_folders_that_hold_their_photos(run, photos):
    run("enrol", "gallery", photos)
    assert [line.split()[-1] for line in run("list", "gallery")[1].splitlines()] == ["eileen", "grace"]
    run("enrol", "years", photos, "--depth", 1)
    assert [line.split()[-1] for line in run("list", "years")[1].splitlines()] == ["2023", "2024"]
    status, _, said = run("enrol", "years", photos, "--depth", 1, "--name", "Ana")
    assert status == 2
    assert "leave out --depth" in said
