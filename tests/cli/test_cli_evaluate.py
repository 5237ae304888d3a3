import csv
import dataclasses
import json
import math
import shutil
from pathlib import Path

import pytest
from PIL import Image

from facesim.evaluation.open_set import sample_open_set
from facesim.model import Model
from facesim.verifier import Verifier

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
    assert lines["evaluated"] == "on  my pairs.csv"
    assert lines["pairs"] == "2 genuine, 2 impostor"
    assert lines["threshold"] == f"{model.info.threshold:.4f}, from the model file"
    assert lines["people"].startswith("unknown")
    assert lines["F1"].startswith("0.6667 (")
    assert lines["accuracy"].startswith("75.00 % (")
    assert lines["FNMR"].startswith("50.00 % (")
    assert "too few to say: 2 impostor pairs, 1,000 are needed" in printed
    assert "no face       in 2 pairs (1 genuine), counted as non-matches" in printed
    assert "if each were an error: F1 0.5000, accuracy 50.00 %" in printed


def test_a_list_of_pairs_says_its_own_groups(run, pairs, tmp_path):
    rows = pairs.read_text("utf-8").splitlines()
    pairs.write_text("\n".join(f"{row},{light}" for row, light in zip(rows, ("light", *"aabb"), strict=True)), "utf-8")
    status, printed, _ = run("evaluate", "--pairs", pairs, "--by", "light", "--json")
    a, b = json.loads(printed)["groups"]["points"][0]["groups"]
    assert status == 0
    assert (a["group"], a["people"], a["fmr"]["pairs"], a["fnmr"]["errors"]) == ("a", None, 1, 0)
    assert (b["group"], b["fmr"]["pairs"], b["fnmr"]["errors"]) == ("b", 1, 1)
    status, printed, complaint = run("evaluate", "--pairs", pairs, "--by", "dark")
    assert (status, printed) == (2, "")
    assert "--by dark: there is no such column; there are detector, light, prefix." in complaint


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
        (["evaluate", "--pairs", "nowhere.csv"], "File 'nowhere.csv' does not exist"),
        (["evaluate", "--data", "nowhere"], "nowhere is not a folder"),
        (["evaluate", "--view", "2", "--data", "pins"], "View 2 is one of LFW's protocols"),
        (["evaluate", "--view", "3"], "--view"),
        (["evaluate", "-w", "nowhere.onnx"], "nowhere.onnx is not a file"),
        (["evaluate", "--open-set", "--view", "2"], "--open-set draws its own probes"),
        (["evaluate", "--open-set", "--pairs", __file__], "leave out --view, --pairs, --count"),
        (["evaluate", "--open-set", "--count", "5"], "--open-set draws its own probes"),
        (["evaluate", "--open-set", "--data", "nowhere"], "nowhere is not a folder"),
        (["evaluate", "--open-set", "--draw", "a.gif"], "a.gif: pictures are written as .png or .jpg"),
        (["evaluate", "--open-set", "--draw", "none/a.png"], "there is no folder none"),
        (["evaluate", "--open-set", "--probes", "1"], "--probes"),
        (["evaluate", "--enrolled", "5"], "belong to --open-set"),
        (["evaluate", "--probes", "5"], "belong to --open-set"),
        (["evaluate", "--draw", "a.png"], "belong to --open-set"),
        (["evaluate", "--open-set", "--by", "gender"], "leave out --view, --pairs, --count, --by"),
        (["evaluate", "--record"], "--record changes a model file: name it with -w"),
        (["evaluate", "--open-set", "--record"], "--by and --record"),
        (["evaluate", "--by", "gender", "--draw", "a.gif"], "a.gif: pictures are written as .png or .jpg"),
        (["compare", "MODEL", "nowhere.onnx"], "nowhere.onnx is not a file"),
        (["compare", "MODEL", "MODEL", "--draw", "a.gif"], "a.gif: pictures are written as .png or .jpg"),
        (["compare", "MODEL"], "MODEL_B"),
    ],
)
def test_trouble_is_one_line(run, model, arguments, said):
    status, printed, complaint = run(*(model.path if word == "MODEL" else word for word in arguments))
    assert (status, printed, complaint.count("\n")) == (2, "", 1)
    assert said in complaint


KNOWN, UNKNOWN = (
    ("Alexander_Downer", "Augustin_Calleri", "Barbara_Walters"),
    ("Aaron_Tippin", "Adam_Ant", "Adam_Kennedy"),
)
SEEN = ("Aaron_Peirsol", "Abel_Pacheco")  # by the model that ships


@pytest.fixture
def people(tmp_path, lfw):
    """Four photos and two walls of each of three people, a photo of three others each and of two whom the model saw."""
    for name in KNOWN + UNKNOWN + SEEN:
        (tmp_path / "people" / name).mkdir(parents=True)
        for photo in sorted((lfw / name).iterdir())[: 4 if name in KNOWN else 1]:
            shutil.copy(photo, tmp_path / "people" / name)
        if name in KNOWN:
            for wall in ("wall.png", "other wall.png"):
                Image.new("RGB", (200, 200), "grey").save(tmp_path / "people" / name / wall)
    return tmp_path / "people"


@pytest.mark.parametrize("walls", [0, 2])
def test_an_open_set_is_judged_as_by_a_plain_loop(run, people, model, walls):
    seeds = (sample_open_set(model.info, (str(people),), enrolled=5, seed=seed) for seed in range(200))
    open_set = next(drawn for drawn in seeds if _walls(drawn, drawn.enrolled) == walls)
    status, printed, _ = run(
        "evaluate", "--open-set", "--data", people, "--enrolled", 5, "--seed", open_set.seed, "--json"
    )
    told = json.loads(printed, parse_constant=pytest.fail)
    embeddings = Verifier(model).embed(open_set.source.dataset.paths()).embeddings.tolist()
    identities, threshold = open_set.source.dataset.identities, model.info.threshold
    found = missed = positives = 0
    for probe in [*open_set.mated, *open_set.non_mated]:
        nearest, who = math.inf, None
        for face in open_set.enrolled:
            distance = math.dist(embeddings[probe], embeddings[face])
            if distance < nearest:  # NaN, where there is no face, is not
                nearest, who = distance, identities[face]
        if probe in open_set.mated:
            found += who == identities[probe]
            missed += not (who == identities[probe] and nearest < threshold)
        else:
            positives += nearest < threshold
    assert status == 0
    assert (told["enrolled"], told["enrolled_seen"], told["mated"], told["non_mated"]) == (5, 2, 15, 3)
    assert told["mated_people"] == told["non_mated_people"] == 3
    assert told["rates"]["rank1"] == found / 15 < 1
    at = told["rates"]["points"][0]
    assert (at["threshold"], at["misses"], at["false_positives"]) == (threshold, missed, positives)
    assert (told["enrolled_without_face"], told["mated_without_face"]) == (walls, 6 - walls)
    assert told["mated_not_enrolled"] == 4 * walls
    with Image.open(told["picture"]) as picture:
        assert picture.format == "PNG"


def _walls(open_set, photos):
    return sum(open_set.source.dataset.photos[photo].endswith("wall.png") for photo in photos)


def test_an_open_set_is_told_and_drawn(run, people, tmp_path):
    status, printed, _ = run("evaluate", "--open-set", "--data", people, "--probes", 4, "--draw", "curve.jpg")
    lines = printed.splitlines()
    assert status == 0
    assert lines[0] == "evaluated on  people, people it never saw, drawn with seed 0"
    assert "enrolled      3 people, one photo each; the model has seen none of them" in lines
    assert "mated         2 probes of 2 of those enrolled, dealt out in rounds, one of each person per round" in lines
    assert "non-mated     2 probes of 2 people not enrolled" in lines
    assert "FNIR at FPIR 10 %   too few to say: 2 non-mated probes, 100 are needed" in lines
    assert lines[-1] == "drawn               curve.jpg"
    with Image.open(tmp_path / "here" / "curve.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.fixture
def by_region(people):
    """The photos of `people`, and a people.csv that says where three of them live."""
    rows = [("identity", "region"), (KNOWN[0], "north"), (KNOWN[1], "north"), (UNKNOWN[0], "south")]
    with open(people / "people.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return people


def test_errors_are_told_and_drawn_by_group(run, by_region, tmp_path):
    status, printed, _ = run("evaluate", "--data", by_region, "--by", "region")
    lines = printed.splitlines()
    assert status == 0
    assert lines[0] == "evaluated on  people, people it never saw, all pairs"
    assert "errors by region, with 95 % intervals" in lines
    rows = [line.split() for line in lines if line.startswith(("north ", "south ", "unknown ", "north × unknown "))]
    assert [row[:2] for row in rows[:3]] == [["north", "2"], ["south", "1"], ["unknown", "3"]]
    assert "too few pairs to say (36)" in printed  # 6 photos of each of the two in the north
    assert lines[-1] == "drawn         groups.png"
    with Image.open(tmp_path / "here" / "groups.png") as picture:
        assert picture.width > 1000


def test_json_holds_the_groups_at_each_threshold_of_the_model(run, by_region, model):
    _, printed, _ = run(
        "evaluate", "--data", by_region, "--by", "region", "--by", "detector", "--json", "--draw", "a.png"
    )
    told = json.loads(printed, parse_constant=pytest.fail)
    assert told["picture"] == "a.png"
    assert [at["threshold"] for at in told["groups"]["points"]] == [at.threshold for at in model.info.operating_points]
    groups = {group["group"]: group for group in told["groups"]["points"][0]["groups"]}
    assert {"north, hog", "north, no face", "south, hog"} <= set(groups)
    assert (groups["north, hog"]["fnmr"]["pairs"], groups["north, hog"]["people"]) == (12, 2)


def test_what_is_recorded_is_stated_by_every_verb_that_uses_the_threshold(run, by_region, write_model, hopper, collins):
    points = [{"name": "loose", "threshold": 1.9, "fmr": 0.01, "fnmr": 0.01, "genuine": 900, "impostor": 900}]
    path = write_model(threshold="1.9", operating_points=json.dumps(points), trained_on='{"data": "lfw"}')
    assert "worst" not in (
        json.loads(run("predict", "-w", path, hopper, collins, "--json")[1])["operating_point"] or {}
    )
    status, printed, _ = run("evaluate", "-w", path, "--data", by_region, "--record")
    assert (status, printed.splitlines()[-1]) == (0, f"recorded      in {path}")
    (point,) = Model(path).info.operating_points
    assert (point.worst.data, point.worst.group, point.worst.fnmr) == ("people", "", None)  # 45 genuine pairs
    said = f"FMR 1 % on lfw; up to {100 * point.worst.fmr:.3g} % on people"
    told = json.loads(run("predict", "-w", path, hopper, collins, "--json")[1])
    assert told["operating_point"]["worst"] == dataclasses.asdict(point.worst)
    run("enrol", "gallery", hopper, "--name", "Grace", "-w", path)
    assert f"facesim: threshold 1.9000: {said}.\n" in run("identify", "gallery", collins, "-w", path)[2]
    told = json.loads(run("identify", "gallery", collins, "-w", path, "--json")[1])
    assert told["operating_point"]["worst"]["data"] == "people"
    run("sweep", "-w", path, "--data", by_region, "--count", 5)
    assert said in Path("sweep-people", "index.html").read_text("utf-8")


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
    assert "McNemar       p = 1: may be chance alone" in printed
    assert "no face       in 2 of the pairs" in printed
    with Image.open(tmp_path / "here" / "disagreements.png") as picture:
        assert picture.height > 100


def test_a_model_equals_itself(run, pairs, model, tmp_path):
    _, printed, _ = run("compare", model.path, model.path, "--pairs", pairs, "--json")
    said = json.loads(printed, parse_constant=pytest.fail)
    assert (said["test"]["p_value"], said["test"]["difference"], said["picture"]) == (1, 0, None)
    assert said["a"] == said["b"]
    assert not list((tmp_path / "here").iterdir())
