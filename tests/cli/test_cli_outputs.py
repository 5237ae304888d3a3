"""No verb writes over a file that it reads, whatever its name: that is refused before the work."""

import os
import shutil

import pytest


@pytest.fixture
def here(own_folders, tmp_path, hopper, collins, model):
    """In the folder that is worked in: photos of two people, one of them in both; lists, a model, and other names."""
    for name, photo in (("grace", hopper), ("eileen", collins)):
        os.makedirs(f"photos/{name}")
        shutil.copy(photo, f"photos/{name}/1.png")
        shutil.copy(photo, f"photos/{name}/2.png")
    shutil.copy(hopper, "mine.jpg")
    shutil.copy(model.path, "model.onnx")
    os.symlink("photos/grace/1.png", "link.png")
    os.link("photos/grace/1.png", "hard.png")
    os.makedirs("report")
    os.link("photos/grace/1.png", "report/roc.png")
    os.makedirs("listed")
    lines = "photo1,photo2,same\n../photos/grace/1.png,../photos/grace/2.png,1\n"
    with open("listed/sweep.csv", "w") as file:
        file.write(f"{lines}../photos/grace/1.png,../photos/eileen/1.png,0\n")
    os.link("photos/grace/1.png", "page.png")
    os.makedirs("run")
    shutil.copy("model.onnx", "run/model.onnx")
    with open("run/settings.json", "w") as file:
        file.write('{"data": ["photos"], "init": "shipped"}')
    return tmp_path / "here"


def contents(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        "predict mine.jpg photos/grace/1.png --draw mine.jpg",
        "predict mine.jpg photos/grace/1.png --draw link.png",
        "predict mine.jpg link.png --draw photos/grace/1.png",
        "predict mine.jpg photos/grace/1.png --draw hard.png",
        "neighbours mine.jpg photos --draw mine.jpg",
        "neighbours mine.jpg photos --draw photos/eileen/2.png",
        "neighbours mine.jpg photos --draw link.png",
        "cluster photos --draw photos/grace/2.png",
        "cluster photos mine.jpg -o mine.jpg",
        "cluster photos -o hard.png",
        "inspect photos --draw photos/grace/2.png",
        "inspect photos --fix --exclusions link.png",
        "map photos --output page.html",
        "preview photos --draw photos/grace/1.png",
        "sweep --data photos --output report",
        "sweep --pairs listed/sweep.csv --output listed",
        "evaluate --data photos --by prefix --draw hard.png",
        "evaluate --pairs listed/sweep.csv --by prefix --draw photos/eileen/1.png",
        "compare model.onnx model.onnx --pairs listed/sweep.csv --draw photos/eileen/1.png",
        "adopt model.onnx -o model.onnx --data photos",
        "train --data photos --init model.onnx --output model.onnx --run new",
        "train --data photos --init run/model.onnx --run run",
        "train --config run/settings.json --run run --epochs 1",
    ],
)
def test_no_output_takes_the_place_of_a_file_that_is_read(run, here, command):
    before = contents(here)
    status, printed, complaint = run(*command.split())
    *_, line = complaint.splitlines()
    assert (status, printed) == (2, "")
    assert "which is read; name another" in line
    assert contents(here) == before


def test_a_gallerys_photos_are_not_drawn_over(run, here):
    assert run("embed", "photos/grace", "--to", "gallery")[0] == 0
    before = contents(here)
    for output in (("--draw", "photos/grace/1.png"), ("-o", "hard.png")):
        status, printed, complaint = run("cluster", "gallery", *output)
        assert (status, printed) == (2, "")
        assert "which is read; name another" in complaint
    assert run("identify", "gallery", "mine.jpg", "--draw", "mine.jpg")[0] == 2
    assert {name: now for name, now in contents(here).items() if "gallery" not in name} == {
        name: then for name, then in before.items() if "gallery" not in name
    }


def test_what_is_not_read_is_written_anew(run, here):
    for _ in range(2):
        assert run("predict", "mine.jpg", "photos/grace/1.png", "--draw", "shown.png")[0] == 0
        assert run("neighbours", "mine.jpg", "photos")[0] == 0
        assert run("cluster", "photos", "-o", "photos/groups.csv")[0] == 0
        assert run("sweep", "--pairs", "listed/sweep.csv", "--output", "swept")[0] == 0


def test_every_file_of_a_report_is_known_before_it_is_written(run, here):
    from facesim.evaluation.sweep.report import FILES

    assert run("sweep", "--data", "photos", "--by", "prefix", "--output", "swept")[0] == 0
    assert sorted(os.listdir("swept")) == sorted(FILES)
