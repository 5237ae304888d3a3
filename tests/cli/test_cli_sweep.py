import csv
import functools
import json

import pytest
from PIL import Image

from facesim.evaluation.sweep.curve import COLUMNS

PAIRS = (
    ("George_W_Bush/George_W_Bush_0001.jpg", "George_W_Bush/George_W_Bush_0002.jpg", 1),
    ("Tony_Blair/Tony_Blair_0001.jpg", "Tony_Blair/Tony_Blair_0002.jpg", 1),
    ("George_W_Bush/George_W_Bush_0001.jpg", "Tony_Blair/Tony_Blair_0001.jpg", 0),
    ("Serena_Williams/Serena_Williams_0001.jpg", "Tony_Blair/Tony_Blair_0002.jpg", 0),
    ("wall.png", "Serena_Williams/Serena_Williams_0001.jpg", 1),
)


pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def pairs(tmp_path, lfw, faceless):
    """A CSV file of five pairs of real photos, one of which shows nobody."""
    lines = ["photo1,photo2,same"]
    for first, second, same in PAIRS:
        lines.append(
            f"{','.join(photo if photo == faceless.name else str(lfw / photo) for photo in (first, second))},{same}"
        )
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    return tmp_path / "mine.csv"


@pytest.fixture
def run(run):
    """Runs `facesim sweep` with arguments."""
    return functools.partial(run, "sweep")


def test_sweep_writes_a_report_on_ones_own_pairs(run, pairs, tmp_path, model):
    status, printed, _ = run("--pairs", pairs)
    folder = tmp_path / "here" / "sweep-mine"
    assert status == 0
    assert "pairs         3 genuine, 2 impostor\n" in printed
    assert f"threshold     {model.info.threshold:.4f}" in printed
    assert "FNMR          33.33 %, 1 missed" in printed
    assert "no face in    1 of 6 photos; 1 pair counts as a non-match" in printed
    assert "sweep-mine/index.html" in printed
    assert "facesim calibrate" in printed.splitlines()[-1]
    rows = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert list(rows[0]) == list(COLUMNS)
    stored = next(row for row in rows if float(row["threshold"]) == model.info.threshold)
    assert [stored[name] for name in ("TP", "FP", "TN", "FN", "FMR", "precision")] == ["2", "0", "2", "1", "0.0", "1.0"]
    assert "wall.png" in (folder / "index.html").read_text("utf-8")


def test_errors_by_group_stand_in_every_part_of_the_report(run, pairs, tmp_path):
    rows = pairs.read_text().splitlines()
    pairs.write_text("\n".join(f"{row},{kind}" for row, kind in zip(rows, ("<kind>", *"aabbb"), strict=True)))
    status, printed, _ = run("--pairs", pairs, "--by", "<kind>")
    folder = tmp_path / "here" / "sweep-mine"
    assert status == 0
    assert "errors by <kind>, with 95 % intervals" in printed
    groups = json.loads((folder / "metrics.json").read_text())["groups"]["points"][0]["groups"]
    assert [(group["group"], group["fnmr"]["pairs"], group["fmr"]["pairs"]) for group in groups] == [
        ("a", 2, 0),
        ("b", 1, 2),
    ]
    page = (folder / "index.html").read_text("utf-8")
    assert "Errors by &lt;kind&gt;" in page
    assert "too few pairs to say (2)" in page
    assert "No group has 100 genuine pairs." in page
    with Image.open(folder / "groups.png") as picture:
        assert picture.format == "PNG"


def test_json_is_what_metrics_json_holds(run, pairs, tmp_path):
    status, printed, _ = run("--pairs", pairs, "--output", tmp_path / "a" / "b", "--json", "--seed", 5)
    assert status == 0
    assert json.loads(printed) == json.loads((tmp_path / "a" / "b" / "metrics.json").read_text())
    assert (json.loads(printed)["pairs"], json.loads(printed)["photos_without_face"]) == (5, 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--pairs nowhere.csv", "nowhere.csv"),
        ("--pairs CSV --data lfw", "leave out the data set"),
        ("--pairs CSV --output CSV", "cannot be written"),
        ("--pairs CSV --output CSV/report", "cannot be written"),
        ("--pairs CSV -w nowhere.onnx", "nowhere.onnx is not a file"),
        ("--pairs CSV --errors -1", "--errors"),
        ("--data nowhere", "nowhere is not a folder"),
    ],
)
def test_trouble_is_one_line_that_names_it(run, tmp_path, hopper, arguments, named):
    (tmp_path / "mine.csv").write_text(f"photo1,photo2,same\n{hopper},{hopper},1\n")
    status, printed, complaint = run(*arguments.replace("CSV", str(tmp_path / "mine.csv")).split())
    assert (status, printed) == (2, "")
    assert complaint.startswith("facesim: ")
    assert named in complaint
    assert complaint.count("\n") == 1
