import csv
import json
import shutil

import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def pairs(tmp_path, hopper, collins, faceless):
    """Four pairs of photos with strange names: one genuine, one impostor, and one of each without a face."""
    a, b, c, wall = "a, b.jpg", "ü.jpg", "c$1.jpg", faceless.name
    for name, photo in ((a, hopper), (b, hopper.with_name("grace_hopper_print.jpg")), (c, collins)):
        shutil.copy(photo, tmp_path / name)
    with open(tmp_path / "my pairs.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("photo1", "photo2", "same"), (a, b, 1), (a, c, 0), (b, wall, 1), (c, wall, 0)])
    return tmp_path / "my pairs.csv"


def test_evaluate_says_how_accurate_a_model_is(run, pairs, model):
    status, printed, _ = run("evaluate", "--pairs", pairs)
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert status == 0
    assert lines["judged"] == "on     my pairs.csv"
    assert lines["pairs"] == "2 genuine, 2 impostor"
    assert lines["threshold"] == f"{model.info.threshold:.4f}, from the model file"
    assert lines["people"].startswith("unknown")
    assert lines["F1"].startswith("0.6667 (")
    assert lines["accuracy"].startswith("75.00 % (")
    assert lines["FNMR"].startswith("50.00 % (")
    assert "too few pairs to say: 2 impostor pairs, 1,000 are needed" in printed
    assert "no face       in 2 pairs (1 genuine), counted as non-matches" in printed
    assert "were each an error: F1 0.5000, accuracy 50.00 %" in printed


def test_evaluate_prints_json_without_what_is_not_json(run, pairs):
    _, printed, _ = run("evaluate", "--pairs", pairs, "--json")
    said = json.loads(printed, parse_constant=pytest.fail)
    assert said["summary"]["rates"]["f1"] == pytest.approx(2 / 3)
    assert said["summary"]["strict"]["false_matches"] == 1
    assert said["summary"]["tars"] == {"0.01": None, "0.001": None}
    assert (said["people"], said["folds"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "--pairs", "nowhere.csv"], "nowhere.csv: No such file or directory."),
        (["evaluate", "--data", "nowhere"], "nowhere is not a folder"),
        (["evaluate", "--view", "2", "--data", "pins"], "View 2 is one of LFW's protocols"),
        (["evaluate", "--view", "3"], "--view"),
        (["evaluate", "-w", "nowhere.onnx"], "nowhere.onnx is not a file"),
        (["compare", "MODEL", "nowhere.onnx"], "nowhere.onnx is not a file"),
        (["compare", "MODEL", "MODEL", "--draw", "a.gif"], "a.gif: pictures are written as .png or .jpg"),
        (["compare", "MODEL"], "MODEL_B"),
    ],
)
def test_trouble_is_one_line(run, model, arguments, said):
    status, printed, complaint = run(*(model.path if word == "MODEL" else word for word in arguments))
    assert (status, printed, complaint.count("\n")) == (2, "", 1)
    assert said in complaint


def test_there_is_no_figure_for_people_that_the_model_has_seen(run, lfw_by_name):
    status, printed, complaint = run("evaluate", "--view", "2")
    assert (status, printed) == (2, "")
    assert "no figure for LFW View 2" in complaint
    assert "on 3,391 of its 4,281 people" in complaint


def test_models_are_compared_and_the_pairs_on_which_they_disagree_are_drawn(run, pairs, model, write_model, tmp_path):
    stricter = write_model("stricter.onnx", threshold="0.01")
    status, printed, _ = run("compare", model.path, stricter, "--pairs", pairs)
    assert status == 0
    assert "only A right  1 of the pairs" in printed
    assert "McNemar       p = 1: chance alone may do this" in printed
    assert "no face       in 2 of the pairs" in printed
    assert Image.open(tmp_path / "here" / "disagreements.png").height > 100


def test_a_model_equals_itself(run, pairs, model, tmp_path):
    _, printed, _ = run("compare", model.path, model.path, "--pairs", pairs, "--json")
    said = json.loads(printed, parse_constant=pytest.fail)
    assert (said["test"]["p_value"], said["test"]["difference"], said["picture"]) == (1, 0, None)
    assert said["a"] == said["b"]
    assert not list((tmp_path / "here").iterdir())
