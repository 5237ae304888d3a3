"""A recogniser's whole way into a model file, and what can then be done with it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from facesim import Model
from facesim.adoption.adopt import adopt
from facesim.adoption.face_input import FACE_INPUTS, FaceInput
from facesim.data.dataset import read_folder
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import people_seen

READS = FaceInput(FACE_INPUTS["sirius"].template, "rgb", (0.0,), (1 / 256,))
OPTIONS = ("--template", "sirius", "--mean", "0", "--scale", "1/256")


@pytest.fixture(scope="session")
def people(copy_people):
    """Sixteen of LFW's people, four photos of each."""
    return copy_people(16, 4)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep crops away from the user's cache, yet cut them once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "adoption cache"))


@pytest.fixture(scope="session")
def adopted(people, mobilefacenet, tmp_path_factory):
    """The model file of a MobileFaceNet, and the results of its test."""
    path = tmp_path_factory.mktemp("adopted") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "adoption cache"))
        results = adopt(mobilefacenet, path, READS, str(people), name="MobileFaceNet", licence="Apache-2.0")
    return path, results


def test_a_good_recogniser_is_as_good_behind_our_localiser(adopted):
    path, results = adopted
    assert results["f1"] > 0.95
    assert results["threshold"] == Model(path).info.threshold


def test_the_model_file_says_whose_network_it_is_and_on_whom_it_was_judged(adopted, people, mobilefacenet, model):
    info = Model(adopted[0]).info
    about = info.trained_on["adopted"]
    assert (about["name"], about["source"], about["licence"]) == ("MobileFaceNet", None, "Apache-2.0")
    assert (about["file"], about["trained_on"]) == (mobilefacenet.name, "not known")
    assert about["sha256"] == hashlib.sha256(mobilefacenet.read_bytes()).hexdigest()
    assert info.trained_on["localiser"]["fingerprint"] == model.fingerprint
    chose, tested = (set(info.trained_on[f"{part}_identities"]) for part in ("validation", "test"))
    assert info.trained_on["train_identities"] == []
    assert (len(chose), len(tested), chose & tested) == (8, 8, set())
    assert people_seen(info, read_folder(people)) == chose


def test_an_adopted_model_is_judged_on_the_people_who_did_not_choose_its_threshold(adopted, run):
    path, results = adopted
    assert "people who did not choose its threshold, pairs drawn" in run("evaluate", "-w", path)[1]
    status, printed, _ = run("evaluate", "-w", path, "--json")
    assert status == 0
    assert json.loads(printed)["people"] == 8
    assert json.loads(printed)["summary"]["rates"]["f1"] == pytest.approx(results["f1"], abs=0.05)


def test_an_adopted_model_compares_enrols_and_identifies(adopted, run, hopper, collins, tmp_path):
    path, _ = adopted
    print_ = hopper.with_name("grace_hopper_print.jpg")
    assert run("predict", "-w", path, hopper, print_)[0] == 0
    assert run("predict", "-w", path, hopper, collins)[0] == 1
    assert run("enrol", "-w", path, tmp_path / "g", hopper, "--name", "Grace Hopper")[0] == 0
    status, printed, _ = run("identify", "-w", path, tmp_path / "g", print_)
    assert (status, "Grace Hopper" in printed) == (0, True)
    status, _, complaint = run("identify", tmp_path / "g", print_)
    assert (status, "facesim reembed" in complaint) == (2, True)  # a gallery belongs to the model that made it


def test_adopt_prints_the_test_and_that_the_training_is_unknown(run, people, mobilefacenet, tmp_path):
    path = tmp_path / "model.onnx"
    status, printed, _ = run("adopt", mobilefacenet, "-o", path, "--data", people, *OPTIONS)
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert status == 0
    assert lines["tested"].endswith("who was in its training data is not known")
    assert list(lines) == ["tested", "F1", "accuracy", "threshold", "FMR", "FNMR", "model"]
    assert lines["threshold"] == f"{Model(path).info.threshold:.4f}"
    status, printed, _ = run("adopt", mobilefacenet, "-o", path, "--data", people, *OPTIONS, "--json")
    results = json.loads(printed, parse_constant=pytest.fail)
    assert (results["model"], f"{results['f1']:.4f}") == (str(path), lines["F1"].split()[0])


def test_five_points_are_a_template_of_its_own(run, people, mobilefacenet, tmp_path, hopper):
    """ArcFace's points give another window than sirius's, near enough for the same faces to be known."""
    points = "38.2946,51.6963 73.5318,51.5014 56.0252,71.7366 41.5493,92.3655 70.7299,92.2041"
    for name, template in (("named", ("--template", "arcface")), ("fitted", ("--points", points))):
        arguments = ("-o", tmp_path / f"{name}.onnx", "--data", people, *template, *OPTIONS[2:])
        assert run("adopt", mobilefacenet, *arguments)[0] == 0
    crops = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    named, fitted = (Model(tmp_path / f"{name}.onnx").embed(crops) for name in ("named", "fitted"))
    assert np.abs(named - fitted).max() < 1e-3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.onnx", "-o", "m.onnx"], "nowhere.onnx is not a file"),
        (["RECOGNISER"], "--output"),
        (["RECOGNISER", "-o", "m.pt"], "m.pt is no name for a model file: let it end in .onnx."),
        (["RECOGNISER", "-o", "none/m.onnx"], "there is no folder none"),
        (["RECOGNISER", "-o", "m.onnx", "--data", "nowhere"], "nowhere is not a folder"),
        (["RECOGNISER", "-o", "m.onnx", "--template", "mine"], "'mine' is not one of 'arcface'"),
        (["RECOGNISER", "-o", "m.onnx", "--points", "1,2 3,4"], "five distinct points"),
        (["RECOGNISER", "-o", "m.onnx", "--points", "a,b"], "a,b is no list of points"),
        (["RECOGNISER", "-o", "m.onnx", "--points", "1,2", "--template", "dlib"], "leave out --template"),
        (["RECOGNISER", "-o", "m.onnx", "--mean", "1,2"], "1,2 is neither a number nor three"),
        (["RECOGNISER", "-o", "m.onnx", "--scale", "1/0"], "1/0 is neither a number nor three"),
        (["RECOGNISER", "-o", "m.onnx", "--scale", "0"], "cannot be adopted: the model holds a network whose"),
        (["OBLONG", "-o", "m.onnx"], "reads 6×8 pixels, and every known template is square"),
    ],
)
def test_trouble_is_one_line_and_leaves_no_file(run, own_folders, tmp_path, write_recogniser, people, arguments, said):
    shape = ("n", 3, 8, 6) if "OBLONG" in arguments else ("n", 3, 8, 8)
    words = {"RECOGNISER": write_recogniser(shape), "OBLONG": write_recogniser(shape)}
    data = [] if "--data" in arguments else ["--data", people]
    status, printed, complaint = run("adopt", *(words.get(word, word) for word in arguments), *data)
    assert (status, printed) == (2, "")
    assert said in complaint.splitlines()[-1]
    assert not list(tmp_path.glob("here/*"))


def test_a_folder_of_too_few_people_is_refused(people, mobilefacenet, tmp_path):
    for folder in sorted(people.iterdir())[:3]:
        shutil.copytree(folder, tmp_path / "three" / folder.name)
    with pytest.raises(FaceSimError, match="holds 3 identities"):
        adopt(mobilefacenet, tmp_path / "model.onnx", READS, str(tmp_path / "three"))


def test_an_adopted_model_is_not_trained_further(adopted, run, people, tmp_path):
    status, _, complaint = run("train", "--data", people, "--init", adopted[0], "--run", tmp_path / "run")
    assert (status, "cannot be trained further" in complaint) == (2, True)


def test_what_adopting_needs_is_named_where_it_is_missing(repository, tmp_path):
    (tmp_path / "onnx.py").write_text("raise ModuleNotFoundError('No module named onnx', name='onnx')")
    network = str(repository / "models" / "facesim.onnx")
    ended = subprocess.run(
        [sys.executable, "-c", "from facesim.cli import main; main()", "adopt", network, "-o", "b.onnx"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{repository}"},
        text=True,
        capture_output=True,
    )
    assert ended.stderr == "facesim: adopt needs onnx: pip install -e '.[adopt]'.\n"
    assert ended.returncode == 2


def test_adopting_needs_no_torch(repository):
    code = "import facesim.adoption.adopt, facesim.cli.adopt, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0
