import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from PIL import Image

from facesim.detector.box import Box
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_gallery

FACESIM = [sys.executable, "-c", "from facesim.cli import main; main()"]


@pytest.fixture
def gallery(tmp_path, run, hopper, collins) -> str:
    """A gallery in which Grace Hopper and Eileen Collins are enrolled."""
    for name, photo in (("Grace Hopper", hopper), ("Eileen Collins", collins)):
        assert run("enrol", tmp_path / "g", photo, "--name", name)[0] == 0
    return str(tmp_path / "g")


def test_enrol_says_how_many_and_whom_it_refused(run, tmp_path, hopper, collins, faceless, crowd):
    status, printed, notes = run("enrol", tmp_path / "g", hopper, crowd, "--name", "Grace Hopper")
    assert (status, printed) == (
        0,
        f"enrolled 2 photos of 1 person. {tmp_path / 'g'} holds 2 named faces.\n",
    )
    assert f"{crowd} shows 2 faces; the largest" in notes
    assert "is enrolled." in notes
    status, printed, notes = run("enrol", tmp_path / "g", hopper, faceless, collins, "--name", "Grace Hopper")
    assert status == 2
    assert printed.startswith("enrolled 1 photo of 1 person; 1 were there already; 1 refused.")
    assert f"no face was found in {faceless}" in notes


def test_enrol_warns_of_a_poor_photo_and_refuses_it_if_asked(run, tmp_path, hopper):
    (tmp_path / "people" / "Grace").mkdir(parents=True)
    poor, good = (tmp_path / "people" / "Grace" / name for name in ("a.png", "b.jpg"))
    with Image.open(hopper) as photo:
        photo.resize((64, 75)).save(poor)
        photo.save(good)
    status, printed, notes = run("enrol", tmp_path / "g", tmp_path / "people", "--strict")
    assert (status, notes.count("\n")) == (2, 1)
    assert notes.startswith(f"facesim: {poor}: the face is only ")
    assert printed.startswith("enrolled 1 photo of 1 person; 1 refused.")
    status, printed, notes = run("enrol", tmp_path / "g", tmp_path / "people", "--json")
    assert (status, notes.count("\n")) == (0, 1)
    assert notes.endswith("enrol a better photo, if there is one.\n")
    assert [json.loads(line)["photo"] for line in printed.splitlines()] == [str(poor)]
    assert "pixels wide" in json.loads(printed)["warnings"][0]


def test_a_person_of_two_names_is_told_of_and_can_be_made_one(run, gallery, hopper):
    print_ = hopper.with_name("grace_hopper_print.jpg")
    status, _, notes = run("enrol", gallery, print_, "--name", "Amazing Grace")
    assert status == 1
    assert f"{print_}, enrolled as Amazing Grace, looks like Grace Hopper in {hopper}" in notes
    assert run("rename", gallery, "Amazing Grace", "Grace Hopper")[0] == 2
    status, printed, _ = run("rename", gallery, "Amazing Grace", "Grace Hopper", "--merge")
    assert (status, printed) == (0, "Amazing Grace is Grace Hopper now, with 1 face.\n")
    assert run("list", gallery)[1] == "     1  Eileen Collins\n     2  Grace Hopper\n"


def test_enrol_as_json_has_a_line_per_photo(run, tmp_path, hopper, faceless):
    lines = run("enrol", tmp_path / "g", hopper, faceless, "--name", "Grace", "--json")[1].splitlines()
    enrolled, refused = map(json.loads, lines)
    assert (enrolled["name"], enrolled["error"], enrolled["photo"]) == ("Grace", None, str(hopper))
    assert enrolled["box"]["right"] > enrolled["box"]["left"]
    assert "no face" in refused["error"]


def test_identify_names_the_known_and_its_status_says_whether_all_are(run, gallery, tmp_path, hopper, collins, both):
    print_ = hopper.with_name("grace_hopper_print.jpg")
    status, printed, notes = run("identify", gallery, print_)
    assert status == 0
    assert re.fullmatch(r"facesim: threshold [\d.]+: FMR [\d.]+ % on lfw; up to [\d.]+ % on london \(\w+\)\.\n", notes)
    heading, line = printed.splitlines()
    assert heading.split() == ["name", "distance", "probability", "face", "(x,y,w,h)", "photo"]
    assert line.startswith("Grace Hopper              0.1010    over 99.9 %")
    assert run("identify", gallery, both)[0] == 0
    assert run("forget", gallery, "Eileen Collins")[:2] == (0, "forgot Eileen Collins, with 1 face of 1 photo.\n")
    status, printed, _ = run("identify", gallery, both, "--json")
    assert status == 1
    told = sorted(map(json.loads, printed.splitlines()), key=lambda face: face["box"]["left"])
    assert [face["name"] for face in told] == ["Grace Hopper", None]
    assert told[1]["nearest"]["name"] == "Grace Hopper"
    assert told[1]["distance"] > told[1]["threshold"]
    assert run("identify", gallery, both, "--faces", "largest")[0] == 0
    assert run("identify", gallery, collins, "-t", "2")[0] == 0


def test_nobody_is_on_a_photo_twice_unless_it_is_a_collage(run, gallery, tmp_path, hopper):
    with Image.open(hopper) as one, Image.open(hopper.with_name("grace_hopper_print.jpg")) as other:
        collage = Image.new("RGB", (one.width + other.width, max(one.height, other.height)))
        collage.paste(one, (0, 0))
        collage.paste(other, (one.width, 0))
    collage.save(tmp_path / "collage.png")
    status, printed, notes = run("identify", gallery, tmp_path / "collage.png", "--json")
    assert f"{tmp_path / 'collage.png'}: several faces look like Grace Hopper; the closest is named" in notes
    told = list(map(json.loads, printed.splitlines()))
    assert status == 1
    assert sorted(face["name"] or "" for face in told) == ["", "Grace Hopper"]
    assert {face["nearest"]["name"] for face in told} == {"Grace Hopper"}
    status, printed, notes = run("identify", gallery, tmp_path / "collage.png", "--allow-twice")
    assert (status, printed.count("Grace Hopper"), "several faces" in notes) == (0, 2, False)
    assert run("cluster", tmp_path / "collage.png")[1] == "2 faces: 0 groups, and 2 faces alone.\n"
    grouped = run("cluster", tmp_path / "collage.png", "--allow-twice")[1]
    assert grouped.startswith("2 faces: 1 group, and 0 faces alone.\n")


def test_forget_says_how_much_it_removed_and_asks_nothing(run, gallery, hopper, both, tmp_path):
    run("embed", both, "--to", gallery)
    assert run("forget", gallery, "--unnamed") == (0, "forgot those without a name, with 2 faces of 1 photo.\n", "")
    assert run("forget", gallery, "--photo", hopper) == (0, f"forgot {hopper}, with 1 face of 1 photo.\n", "")
    assert run("forget", gallery, "--all") == (0, f"forgot everything in {gallery}, with 1 face of 1 photo.\n", "")
    for arguments in (("--unnamed",), ("--photo", hopper), ("--all",), ("Grace Hopper",)):
        status, printed, notes = run("forget", gallery, *arguments)
        assert (status, printed, notes.count("\n")) == (2, "", 1)
    for arguments in ((), ("Grace Hopper", "--all"), ("--unnamed", "--photo", hopper)):
        assert "say what to forget" in run("forget", gallery, *arguments)[2]


@pytest.mark.usefixtures("own_folders")
def test_a_face_that_is_forgotten_is_nowhere_else(run, gallery, hopper):
    assert run("embed", hopper.with_name("grace_hopper_print.jpg"), "--to", gallery)[0] == 0
    assert run("identify", gallery, hopper)[0] == 0
    assert run("forget", gallery, "--all")[0] == 0
    assert not os.listdir(os.environ["XDG_CACHE_HOME"])


def test_an_old_name_does_not_come_back(run, gallery, hopper):
    run("rename", gallery, "Grace Hopper", "Amazing Grace")
    status, printed, notes = run("enrol", gallery, hopper, "--name", "Grace Hopper")
    assert status == 1
    assert "1 photo of Grace Hopper is enrolled as Amazing Grace already, and kept so" in notes
    assert printed == f"enrolled 0 photos of 0 people; 1 were there already. {gallery} holds 2 named faces.\n"
    assert (
        json.loads(run("enrol", gallery, hopper, "--name", "Grace Hopper", "--json")[1])["known_as"] == "Amazing Grace"
    )
    assert "Grace Hopper" not in run("list", gallery)[1]


def test_identify_goes_on_past_a_photo_that_is_none(run, gallery, hopper, faceless, tmp_path):
    status, printed, notes = run("identify", gallery, faceless, hopper)
    assert status == 2
    assert "Grace Hopper" in printed
    assert f"no face was found in {faceless}" in notes
    told = list(map(json.loads, run("identify", gallery, faceless, hopper, "--json")[1].splitlines()))
    assert [face["photo"] for face in told] == [str(faceless), str(hopper)]
    assert "no face was found" in told[0]["error"]
    status, printed, notes = run("identify", gallery, tmp_path / "nowhere.jpg")
    assert (status, notes.count("nowhere.jpg")) == (2, 1)


def test_no_photo_at_all_opens_no_door(run, gallery, tmp_path):
    (tmp_path / "empty").mkdir()
    for verb in (("identify", gallery), ("cluster",), ("embed", "--to", gallery), ("enrol", gallery, "--name", "Ana")):
        status, printed, notes = run(*verb, tmp_path / "empty")
        assert (status, printed) == (2, "")
        assert notes == f"facesim: there is no photo in {tmp_path / 'empty'}: give .jpg or .png files.\n"


def test_identify_is_strict_and_as_strict_as_it_is_asked_to_be(run, gallery, hopper):
    told = json.loads(run("identify", gallery, hopper, "--json")[1])
    assert told == json.loads(run("identify", gallery, hopper, "--fmr", "0.01", "--json")[1])
    assert told["threshold"] < json.loads(run("identify", gallery, hopper, "--fmr", "0.02", "--json")[1])["threshold"]
    assert told["threshold"] < open_gallery_threshold()
    status, printed, notes = run("identify", gallery, hopper, "--fmr", "0.0001")
    assert (status, printed) == (2, "")
    assert "the least that it can promise is 0.00015" in notes
    assert run("identify", gallery, hopper, "--fmr", "0.01", "-t", "0.2")[0] == 2


@pytest.mark.parametrize("threshold", ["50", "-1", "nan"])
def test_a_threshold_that_no_distance_can_have_is_refused_by_every_verb(run, tmp_path, hopper, threshold):
    for arguments in (("cluster", hopper), ("identify", tmp_path / "g", hopper), ("watch", tmp_path / "g", "0")):
        status, printed, notes = run(*arguments, "-t", threshold)
        assert (status, printed) == (2, "")
        assert "is not a number from 0 to 2" in notes


def open_gallery_threshold() -> float:
    from facesim.model import Model

    return Model().info.threshold


def test_identify_says_when_a_gallery_is_too_large_for_the_threshold(run, gallery, hopper, verifier):
    opened = open_gallery(gallery)
    embedding = next(opened.rows()).embedding
    with opened.writing():
        opened.add([FaceRow(f"/{i}.jpg", 0, f"Many {i}", embedding, Box(0, 0, 9, 9)) for i in range(98)])
    assert "strangers" not in run("identify", gallery, hopper)[2]
    status, _, notes = run("identify", gallery, hopper, "-t", "0.4353")
    assert status == 0
    assert "at threshold 0.4353, about 60 % of strangers are named among 100 enrolled people: leave out -t" in notes
    with opened.writing():
        opened.add([FaceRow(f"/{i}.jpg", 0, f"Many {i}", embedding, Box(0, 0, 9, 9)) for i in range(98, 398)])
    status, _, notes = run("identify", gallery, hopper)
    assert status == 0
    expected = "at most 1 % of strangers are named among 400 enrolled people: at its strictest, 0.3624, about 2.9 %"
    assert expected in notes
    assert "at its strictest" not in run("identify", gallery, hopper, "--fmr", "0.05")[2]


def test_the_faces_are_drawn_with_their_names(run, gallery, both, tmp_path, hopper):
    run("forget", gallery, "Eileen Collins")
    assert run("identify", gallery, both, "--draw", tmp_path / "shown.png")[0] == 1
    with Image.open(tmp_path / "shown.png") as shown, Image.open(both) as photo:
        assert shown.size == photo.size
        colours = {colour for _, colour in shown.convert("RGB").getcolors(2**24)}
    assert {(26, 127, 55), (198, 40, 40)} <= colours
    assert run("identify", gallery, both, hopper, "--draw", tmp_path / "other.png")[0] == 2
    assert run("identify", gallery, both, "--draw", tmp_path / "other.xyz")[0] == 2
    before = both.read_bytes()
    assert "which is read; name another" in run("identify", gallery, both, "--draw", both)[2]
    assert both.read_bytes() == before


def test_search_lists_the_nearest_with_and_without_a_name(run, gallery, tmp_path, both, hopper):
    status, printed, _ = run("embed", both, "--to", gallery)
    assert (status, printed) == (
        0,
        f"2 faces from 1 photo; 0 show none, 0 could not be read, 0 were in {gallery} already.\n",
    )
    lines = run("search", gallery, hopper, "-k", 3)[1].splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("0.0000    same       Grace Hopper")
    assert lines[2].split()[1:3] == ["same", "–"]
    assert lines[3].split()[1] == "different"
    told = [json.loads(line) for line in run("search", gallery, hopper, "--json")[1].splitlines()]
    assert [face["distance"] for face in told] == sorted(face["distance"] for face in told)
    assert {face["name"] for face in told} == {"Grace Hopper", "Eileen Collins", None}


def test_embed_tells_what_it_did_and_does_it_once(run, gallery, tmp_path, hopper, faceless):
    (tmp_path / "photos").mkdir()
    shutil.copy(hopper, tmp_path / "photos" / "a.jpg")
    shutil.copy(faceless, tmp_path / "photos")
    (tmp_path / "photos" / "b.jpg").write_text("no photo")
    expected = {"faces": 1, "with_face": 1, "without_face": 1, "unreadable": 1, "known_before": 0}
    status, printed, _ = run("embed", tmp_path / "photos", "--to", gallery, "--json")
    assert (status, json.loads(printed)) == (2, expected)
    status, printed, _ = run("embed", tmp_path / "photos", "--to", gallery, "--json")
    assert (status, json.loads(printed)) == (2, dict.fromkeys(expected, 0) | {"unreadable": 1, "known_before": 2})


@pytest.mark.parametrize("words", [("list", "--totals"), ("stats",)])
def test_totals_say_what_a_gallery_holds(run, gallery, words):
    told = json.loads(run(*words, gallery, "--json")[1])
    assert (told["faces"], told["names"], told["indexed"], told["embedding_size"]) == (2, 2, False, 321)
    printed = run(*words, gallery)[1]
    assert "people         2, with 2 faces" in printed
    assert "exact, one by one" in printed


def test_list_as_json(run, gallery):
    lines = run("list", gallery, "--json")[1].splitlines()
    assert list(map(json.loads, lines)) == [
        {"name": "Eileen Collins", "faces": 1},
        {"name": "Grace Hopper", "faces": 1},
    ]


def test_another_model_is_refused_until_the_gallery_is_made_anew(run, gallery, hopper, write_model):
    other = write_model("other.onnx")
    for verb in (("identify", gallery, hopper), ("search", gallery, hopper), ("embed", hopper, "--to", gallery)):
        status, printed, notes = run(*verb, "-w", other)
        assert (status, printed) == (2, "")
        assert "facesim reembed" in notes
    status, printed, notes = run("reembed", gallery, "-w", other)
    assert (status, printed.startswith(f"{gallery} is of model "), notes) == (0, True, "")
    assert run("identify", gallery, hopper, "-w", other)[0] == 0
    assert "facesim reembed" in run("identify", gallery, hopper)[2]


def test_cluster_groups_photos_writes_and_draws_them(run, tmp_path, hopper, collins, faceless):
    odd = tmp_path / "photos" / "Zoë, <b> & \udcff.png"
    (tmp_path / "photos").mkdir()
    for photo in (hopper, hopper.with_name("grace_hopper_print.jpg"), faceless):
        shutil.copy(photo, tmp_path / "photos")
    shutil.copy(collins, odd)
    table, picture = tmp_path / "groups.csv", tmp_path / "groups.png"
    status, printed, notes = run("cluster", tmp_path / "photos", "-o", table, "--draw", picture)
    assert status == 0
    assert printed.startswith("3 faces: 1 group, and 1 face alone.\n     1       2 faces  ")
    assert f"no face was found in {tmp_path / 'photos' / faceless.name}" in notes
    with open(table, encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == ["1", "1", "2"]
    assert rows[2] == {"group": "2", "photo": str(odd), "box": "121,83,88,88", "name": ""}
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 250
    groups = [json.loads(line) for line in run("cluster", tmp_path / "photos", "--json")[1].splitlines()]
    assert [len(group["faces"]) for group in groups] == [2, 1]


def test_cluster_takes_a_gallery(run, gallery, both):
    run("embed", both, "--to", gallery)
    groups = [json.loads(line) for line in run("cluster", gallery, "--json")[1].splitlines()]
    names = [[face["name"] for face in group["faces"]] for group in groups]
    assert set(map(frozenset, names)) == {frozenset({"Eileen Collins", None}), frozenset({"Grace Hopper", None})}


@pytest.fixture
def holiday(tmp_path, hopper, collins, both):
    """A folder of three photos: two of Grace Hopper, and one of her and Eileen Collins."""
    (tmp_path / "holiday").mkdir()
    for photo in (hopper, hopper.with_name("grace_hopper_print.jpg"), both):
        shutil.copy(photo, tmp_path / "holiday")
    return tmp_path / "holiday"


def test_groups_become_people_whom_rename_names(run, tmp_path, holiday, collins):
    people, picture = tmp_path / "people", tmp_path / "people.png"
    status, printed, _ = run("cluster", holiday, "--to", people, "--draw", picture)
    heading, line = printed.splitlines()
    assert status == 0
    assert heading == f"{people} has 4 faces: 1 person, 1 of them new, and 1 face without a name."
    assert line.split()[:4] == ["Person", "1", "3", "faces"]
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 300
    run("rename", people, "Person 1", "Grace Hopper")
    shutil.copy(collins, holiday)
    first, second = map(json.loads, run("cluster", holiday, "--to", people, "--json")[1].splitlines())
    assert [(group["name"], group["new_faces"], len(group["faces"])) for group in (first, second)] == [
        ("Grace Hopper", 0, 3),
        ("Person 2", 2, 2),
    ]
    assert first["likely_same"] == second["likely_same"] == []
    status, printed, notes = run("cluster", holiday, "--to", people)
    assert (status, notes) == (0, "")
    assert printed == f"{people} has 5 faces: 2 people, 0 of them new, and 0 faces without a name.\n"


def test_a_gallery_names_its_own_groups_and_no_other_ones(run, tmp_path, holiday):
    run("embed", holiday, "--to", tmp_path / "people")
    assert run("cluster", tmp_path / "people", "--to", tmp_path / "people")[0] == 0
    assert run("list", tmp_path / "people")[1] == "     3  Person 1\n"
    status, printed, notes = run("cluster", tmp_path / "people", "--to", tmp_path / "others")
    assert (status, printed) == (2, "")
    assert f"{tmp_path / 'people'} is a gallery: give --to {tmp_path / 'people'}, or give photos." in notes
    assert not (tmp_path / "others").exists()


def test_people_who_are_probably_one_come_with_the_command_that_joins_them(run, tmp_path, hopper, collins):
    people, print_ = tmp_path / "people", hopper.with_name("grace_hopper_print.jpg")
    for photo, name in ((hopper, "Grace Hopper"), (print_, "Person 4"), (collins, "Eileen Collins")):
        run("enrol", people, photo, "--name", name)
    printed = run("cluster", people, "--to", people)[1].splitlines()
    assert printed[2] == "maybe one person, the most probable first:"
    assert printed[3] == f"  over 99.9 %  Grace Hopper and Person 4, at 0.101: {hopper}, {print_}"
    assert printed[4].strip() == f"facesim rename {people} 'Person 4' 'Grace Hopper' --merge"
    groups = [json.loads(line) for line in run("cluster", people, "--to", people, "--json")[1].splitlines()]
    ((one, pair),) = [(group, pair) for group in groups for pair in group["likely_same"]]
    assert {one["name"], groups[pair["group"] - 1]["name"]} == {"Grace Hopper", "Person 4"}
    assert {face["photo"] for face in pair["faces"]} == {str(hopper), str(print_)}


def test_cluster_says_how_many_photos_it_could_not_read(run, tmp_path, holiday):
    (holiday / "broken.jpg").write_text("no photo")
    status, _, notes = run("cluster", holiday, "--to", tmp_path / "people")
    assert (status, notes) == (2, "facesim: 1 photo could not be read.\n")


def test_export_sorts_photos_by_person_and_says_what_is_missing(run, tmp_path, holiday):
    people, sorted_ = tmp_path / "people", tmp_path / "sorted"
    run("embed", holiday, "--to", people)
    status, printed, notes = run("export", people, "--to", sorted_)
    assert (status, printed) == (2, "")
    assert f"nobody in {people} has a name" in notes
    run("cluster", people, "--to", people)
    assert run("export", people, "--to", sorted_) == (0, f"{sorted_}: 1 person, 3 links made.\n", "")
    assert sorted(os.listdir(sorted_ / "Person 1")) == ["both.png", "grace_hopper.jpg", "grace_hopper_print.jpg"]
    (holiday / "both.png").unlink()
    status, printed, notes = run("export", people, "--to", sorted_, "--copy")
    assert (status, printed) == (2, f"{sorted_}: 1 person, 2 copies made; 1 failed.\n")
    assert notes.startswith(f"facesim: {holiday / 'both.png'} is not there any more")
    lines = list(map(json.loads, run("export", people, "--to", sorted_, "--json")[1].splitlines()))
    assert [(line["name"], line["new"], bool(line["error"])) for line in lines] == [
        ("Person 1", False, True),
        ("Person 1", False, False),
        ("Person 1", False, False),
    ]
    assert lines[1]["path"] == str(sorted_ / "Person 1" / "grace_hopper.jpg")


def test_cluster_of_no_faces_is_trouble(run, tmp_path, faceless):
    status, printed, notes = run("cluster", faceless)
    assert (status, printed) == (2, "")
    assert "there is nothing to group" in notes


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--totals"),
        ("stats",),
        ("forget", "Ana"),
        ("rename", "Ana", "Ben"),
        ("identify", "PHOTO"),
        ("search", "PHOTO"),
        ("export", "--to", "sorted"),
        ("reembed",),
    ],
)
def test_what_is_no_gallery_is_one_line(run, tmp_path, hopper, arguments):
    verb, *others = (hopper if argument == "PHOTO" else argument for argument in arguments)
    for address in (tmp_path / "nowhere", tmp_path):
        status, printed, notes = run(verb, address, *others)
        assert (status, printed) == (2, "")
        assert notes == f"facesim: {address} is not a gallery: make one with facesim enrol or facesim embed.\n"


def test_a_gallery_that_cannot_be_written_is_one_line(run, hopper):
    status, printed, notes = run("enrol", "/proc/nowhere/g", hopper, "--name", "Grace")
    assert (status, printed) == (2, "")
    assert notes.startswith("facesim: /proc/nowhere/g cannot be written")


@pytest.fixture
def people(tmp_path, hopper, collins):
    """Makes a folder of so many people, with one photo each."""

    def people(count, name="people"):
        for i in range(count):
            (tmp_path / name / f"{name} {i}").mkdir(parents=True)
            (tmp_path / name / f"{name} {i}" / "a.jpg").symlink_to(hopper if i % 2 else collins)
        return tmp_path / name

    return people


def test_a_killed_enrolment_has_every_photo_that_it_told_of_and_is_continued(tmp_path, people, model):
    address = tmp_path / "g"
    command = [*FACESIM, "enrol", str(address), str(people(300)), "--json"]
    told = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            lines = [child.stdout.readline()]
            child.kill()
            lines += child.stdout
        assert child.returncode in (-signal.SIGKILL, 1)  # a fast machine may be done before
        told += [json.loads(line)["name"] for line in lines if line.endswith("}\n")]
        assert set(told) <= open_gallery(str(address), model).names().keys()
    assert 1 <= len(told) == len(set(told))
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode in (0, 1)
    assert open_gallery(str(address), model).names() == {f"people {i}": 1 for i in range(300)}


def test_two_enrolments_at_once_lose_nothing(tmp_path, people, model):
    children = [
        subprocess.Popen([*FACESIM, "enrol", str(tmp_path / "g"), str(people(20, name))], stderr=subprocess.DEVNULL)
        for name in ("some", "others")
    ]
    assert [child.wait() for child in children] == [1, 1]
    expected = {f"{name} {i}": 1 for name in ("some", "others") for i in range(20)}
    assert open_gallery(str(tmp_path / "g"), model).names() == expected


def test_a_door_needs_neither_stdin_nor_a_terminal_nor_a_folder_to_write_to(gallery, hopper, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in (("identify", gallery, str(hopper)), ("list", gallery), ("search", gallery, str(hopper))):
        command = 'exec "$@" 0<&-'
        ended = subprocess.run(
            ["sh", "-c", command, "sh", *FACESIM, *arguments], cwd=empty, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        assert "Grace Hopper" in ended.stdout
        assert ended.stderr.startswith("facesim: threshold") if arguments[0] == "identify" else not ended.stderr
    assert os.listdir(empty) == []


def test_comparing_two_photos_loads_nothing_of_the_gallery(hopper):
    program = (
        "import sys\nfrom facesim.cli import main\ntry: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "predict", hopper, hopper], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert "facesim.verifier" in loaded
    assert not loaded & {"lancedb", "pyarrow", "portalocker", "facesim.gallery", "tqdm", "cv2", "ray"}
