import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import onnxruntime
import pytest
from PIL import Image

from facesim.cli import VERBS, main
from facesim.cli.predict import predict
from facesim.cli.train import train
from facesim.detector.box import Box
from facesim.detector.selection import FoundFace
from facesim.drawing.verdict import draw_verdict
from facesim.model import Model
from facesim.training.settings import Settings
from facesim.verifier import Verdict, Verifier


@pytest.fixture
def run(capfd):
    """Runs `facesim predict` here: its exit status, and all that reaches stdout and stderr."""

    def run(*arguments, command=predict):
        with pytest.raises(SystemExit) as ended:
            command([str(argument) for argument in arguments])
        return ended.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def trouble(run):
    """Runs a command that must fail: exit status 2, nothing on stdout, and one line on stderr, which it returns."""

    def trouble(*arguments, **options):
        status, printed, complaint = run(*arguments, **options)
        assert status == 2
        assert printed == ""
        assert complaint.startswith("facesim: ")
        assert complaint.count("\n") == 1
        assert complaint.endswith((".\n", "?\n"))
        return complaint

    return trouble


@pytest.fixture
def process(repository, tmp_path):
    """Runs `python predict.py` as a process of its own, in a folder that is not the repository."""

    def process(*arguments, python=(), **options):
        command = [sys.executable, *python, repository / "predict.py", *arguments]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.run(command, cwd=tmp_path, text=True, **streams)

    return process


def test_the_exit_status_is_0_same_1_different_2_trouble(process, hopper, collins):
    same, different, trouble = (process(hopper, photo) for photo in (hopper, collins, "nobody.jpg"))
    assert [same.returncode, different.returncode, trouble.returncode] == [0, 1, 2]
    assert same.stdout.splitlines()[0] == "Same person."
    assert different.stdout.splitlines()[0] == "Different people."
    assert [line.split()[0] for line in same.stdout.splitlines()[1:]] == ["distance", "threshold", "probability"]
    assert same.stderr == ""
    assert trouble.stdout == ""
    assert trouble.stderr.count("\n") == 1
    assert "nobody.jpg does not exist" in trouble.stderr


class Panic(BaseException):
    """As Rust's, which is no Exception."""


@pytest.mark.parametrize("error", [ZeroDivisionError("division by zero"), KeyError("size"), Panic("a\nb")])
def test_what_nobody_foresaw_is_trouble_and_not_a_verdict(trouble, run, hopper, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Verifier, "verify", fail)
    assert type(error).__name__ in trouble(hopper, hopper)
    monkeypatch.setenv("FACESIM_DEBUG", "1")
    status, _, complaint = run(hopper, hopper)
    assert status == 2
    assert complaint.startswith("Traceback")


def test_an_installation_that_is_broken_is_trouble_and_not_a_verdict(process, hopper, tmp_path):
    (tmp_path / "dlib.py").write_text("raise ImportError('libX.so cannot be opened')")
    ended = process(hopper, hopper, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "libX.so" in ended.stderr


def test_it_works_where_stdin_is_closed(process, hopper):
    ended = process(hopper, hopper, "--json", preexec_fn=lambda: os.close(0))
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["same"] is True
    assert ended.stderr == ""


def test_a_reader_who_left_is_trouble_and_not_a_verdict(process, hopper):
    reading, writing = os.pipe()
    os.close(reading)
    ended = process(hopper, hopper, stdout=writing)
    os.close(writing)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_a_verdict_loads_nothing_of_the_half_that_trains(process, hopper, collins):
    ended = process(hopper, collins, python=("-X", "importtime"))
    loaded = {line.split("|")[-1].strip() for line in ended.stderr.splitlines()}
    assert "facesim.verifier" in loaded
    packages = {name.split(".")[0] for name in loaded}
    assert not packages & {"torch", "torchvision", "sklearn", "scipy", "matplotlib", "onnx", "pooch", "tqdm"}
    assert not loaded & {"numpy.ma", "concurrent.futures"}  # each a tenth of the time
    assert not any(name.startswith(("facesim.training", "facesim.data", "facesim.evaluation")) for name in loaded)


@pytest.mark.parametrize(
    "arguments",
    [
        "-img1 A -img2 B",
        "-img2 B -img1 A",
        "--image-path-1 A --image-path-2 B",
        "A B",
        "A B -g -1",
        "A B --gpu -1",
    ],
)
def test_json_is_the_verdict_that_python_gives_however_the_photos_are_named(run, hopper, collins, arguments):
    photos = {"A": hopper, "B": collins}
    status, printed, _ = run("--json", *(photos.get(word, word) for word in arguments.split()))
    assert status == 1
    assert printed.count("\n") == 1
    values = json.loads(printed)
    assert values.pop("operating_point")["worst"]["fmr"] > 0
    for face in ("face1", "face2"):
        values[face]["box"] = Box(**values[face]["box"])
        values[face]["warnings"] = tuple(values[face]["warnings"])
        values[face]["face_count"] = values[face].pop("faces")
        values[face] = FoundFace(**values[face])
    assert Verdict(**values) == Verifier(Model(quick=True)).verify(hopper, collins)  # else it differs by rounding


@pytest.mark.parametrize("option", ["-t", "--threshold"])
@pytest.mark.parametrize(("threshold", "status"), [("0", 1), ("2", 0)])
def test_the_threshold_option_replaces_the_models(run, hopper, collins, option, threshold, status):
    assert run(hopper, collins, option, threshold)[0] == status


def test_the_text_says_which_operating_point_is_used_and_its_fmr(run, model, hopper):
    for arguments, name in (((), "best F1"), (("--fmr", "0.001"), "FMR 0.1 %")):
        point = next(point for point in model.info.operating_points if point.name == name)
        said = f"{point.threshold:.4f} ({name}: FMR measured as {100 * point.fmr:.2g} % on lfw)"
        assert f"threshold    {said}\n" in run(hopper, hopper, *arguments)[1]
    assert "0.4000 (stricter than best F1, whose FMR" in run(hopper, hopper, "-t", "0.4")[1]
    assert "2.0000 (its FMR was not measured)" in run(hopper, hopper, "-t", "2")[1]


def test_an_fmr_goes_with_folders_and_lists_too_but_not_with_a_threshold(run, trouble, tmp_path, hopper, model):
    (tmp_path / "a.jpg").symlink_to(hopper)
    (tmp_path / "pairs.csv").write_text("photo1,photo2\na.jpg,a.jpg\n")
    point = next(point for point in model.info.operating_points if point.name == "FMR 1 %")
    for arguments in ((hopper.with_name("grace_hopper_print.jpg"), tmp_path), ("--pairs", tmp_path / "pairs.csv")):
        used = json.loads(run(*arguments, "--fmr", "0.01", "--json")[1])["operating_point"]
        assert (used["name"], used["threshold"], used["fmr"]) == (point.name, point.threshold, point.fmr)
    assert "no operating point FMR 5 %: it has best F1" in trouble(hopper, hopper, "--fmr", "0.05")
    assert "--fmr picks the threshold: leave out -t" in trouble(hopper, hopper, "--fmr", "0.01", "-t", "0.4")


@pytest.mark.parametrize("option", ["-w", "--weight-path"])
def test_the_weight_path_option_replaces_the_model(run, hopper, write_model, option):
    path = write_model(threshold="0.123")
    values = json.loads(run(hopper, hopper, option, path, "--json")[1])
    assert values["model"] == str(path)
    assert values["threshold"] == 0.123


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this one has a GPU build")
@pytest.mark.parametrize("option", ["-g", "--gpu"])
def test_a_gpu_that_is_not_there_is_trouble(trouble, hopper, option):
    assert "GPU 0" in trouble(hopper, hopper, option, "0")


@pytest.mark.parametrize("arguments", ["", "A", "A A A", "-img1 A", "-img2 A", "-img1 A A", "-img1 A -img2 A A"])
def test_one_photo_or_three_are_trouble(trouble, hopper, arguments):
    assert "two photos" in trouble(*(hopper if word == "A" else word for word in arguments.split()))


def test_a_broken_photo_is_one_line_that_names_it(trouble, hopper, broken_photo):
    assert str(broken_photo) in trouble(hopper, broken_photo)
    assert str(broken_photo) in trouble("-img1", broken_photo, "-img2", hopper, "--json")


def test_a_photo_without_a_face_is_one_line_that_names_it(trouble, hopper, faceless):
    complaint = trouble(hopper, faceless)
    assert str(faceless) in complaint
    assert "no face" in complaint


@pytest.mark.parametrize("option", ["-box1", "-box2"])
def test_a_box_without_a_face_is_one_line_that_names_it(trouble, hopper, option):
    assert "no face was found in the box 20,500,70,70" in trouble(hopper, hopper, option, "20,500,70,70")


def test_a_broken_model_file_is_one_line_that_names_it(trouble, hopper, broken_model):
    assert str(broken_model) in trouble(hopper, hopper, "-w", broken_model)


@pytest.mark.parametrize("threshold", ["abc", "nan", "inf", "", "50", "-1"])
def test_a_threshold_that_no_distance_can_have_is_one_line_that_names_the_option(trouble, hopper, threshold):
    assert "threshold" in trouble(hopper, hopper, "-t", threshold)


def test_a_model_files_threshold_that_is_no_number_is_one_line_that_names_the_file(trouble, hopper, write_model):
    path = write_model(threshold='"abc"')
    complaint = trouble(hopper, hopper, "-w", path)
    assert str(path) in complaint
    assert "threshold" in complaint


def test_several_faces_are_counted_on_stderr_and_in_json(run, hopper, crowd):
    status, printed, notes = run(hopper, crowd, "--json")
    assert status == 0
    assert notes.count("\n") == 1
    assert f"{crowd} shows 2 faces" in notes
    values = json.loads(printed)
    assert (values["face1"]["faces"], values["face2"]["faces"]) == (1, 2)


@pytest.mark.parametrize(("name", "kind"), [("out.png", "PNG"), ("out.JPG", "JPEG"), ("out", "PNG")])
def test_draw_draws_a_picture_beside_the_verdict(run, verifier, hopper, collins, tmp_path, name, kind):
    (tmp_path / name).write_text("an older one")
    silent = run(hopper, collins, "--json")
    assert run(hopper, collins, "--json", "--draw", tmp_path / name) == silent
    with Image.open(tmp_path / name) as picture:
        picture.load()
        assert picture.format == kind
        assert picture.size == draw_verdict(verifier.verify(hopper, collins)).size
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("name", ["out.txt", "out.psd", "out.", "nowhere/out.png", "file/out.png", "folder"])
def test_draw_that_cannot_be_written_is_one_line_that_names_it(trouble, hopper, crowd, tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    before = set(tmp_path.iterdir())
    assert f"{tmp_path / name}" in trouble(hopper, crowd, "--draw", f"{tmp_path}/{name}")
    assert set(tmp_path.iterdir()) == before


def test_help_lists_each_verb_once_and_loads_none(run, repository):
    status, printed, _ = run("--help", command=main)
    assert status == 0
    for verb in VERBS:
        assert printed.count(f"\n  {verb} ") == 1
        assert importlib.util.find_spec(f"facesim.cli.{verb}")
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "facesim", "--help"], cwd=repository, capture_output=True, text=True
    )
    assert "facesim.cli.verbs" in ended.stderr
    assert "facesim.cli.predict" not in ended.stderr


@pytest.mark.parametrize(
    ("words", "former"),
    [
        ("predict a.jpg b.jpg", "--show"),
        ("identify gallery a.jpg", "--show"),
        ("watch gallery 0", "--show"),
        ("preview lfw", "--output"),
    ],
)
def test_the_former_spelling_of_draw_still_works_and_is_not_listed(run, words, former):
    verb, *arguments = words.split()
    command = main.get_command(None, verb)
    for spelling in ("--draw", former):
        assert command.make_context(verb, [*arguments, spelling, "out.png"]).params["draw"] == Path("out.png")
    printed = run(verb, "--help", command=main)[1]
    assert "--draw FILE" in printed
    assert former not in printed


def test_an_option_has_the_same_spellings_in_every_verb():
    found = {}
    for verb in VERBS:
        for parameter in main.get_command(None, verb).params:
            for spelling in parameter.opts if isinstance(parameter, click.Option) else ():
                found.setdefault(spelling, set()).add(tuple(parameter.opts))
    assert {spelling: options for spelling, options in found.items() if len(options) > 1} == {}


@pytest.mark.parametrize(
    ("words", "said"), [(("verify", "a.jpg", "b.jpg"), "predict"), (("compare", "a.jpg", "b.jpg"), "predict")]
)
def test_a_verb_that_means_another_says_which(trouble, words, said):
    assert f"facesim {said}" in trouble(*words, command=main)


def test_predict_is_a_verb_of_facesim(run, hopper, collins):
    assert run("predict", hopper, collins, command=main) == run(hopper, collins)


def test_python_runs_the_package_as_a_program(repository, hopper):
    ended = subprocess.run([sys.executable, "-m", "facesim", "predict", hopper, hopper], cwd=repository)
    assert ended.returncode == 0


def test_a_verb_that_does_not_exist_is_trouble(trouble):
    assert "pedict" in trouble("pedict", command=main)


def test_every_setting_of_a_run_is_an_option_and_listing_them_loads_nothing_heavy(repository, tmp_path):
    command = [sys.executable, "-X", "importtime", repository / "train.py", "--help"]
    ended = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True)
    assert ended.returncode == 0
    for setting in dataclasses.fields(Settings):
        assert f"--{setting.name.replace('_', '-')} " in ended.stdout
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in ended.stderr.splitlines()}
    assert not loaded & {"torch", "torchvision", "sklearn", "scipy", "matplotlib", "onnx", "pooch"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--init imagenet", "give one of sources, shipped, MODEL.onnx"),
        ("--backbone resnet18 --init sources", "give one of scratch, imagenet, MODEL.onnx"),
        ("--backbone vgg", "mobilenet_v3_small"),
        ("--margin 0", "--margin 0"),
        ("--photos-per-person 1", "no genuine pair"),
        ("--epochs many", "--epochs"),
        ("--data nowhere --run RUN", "nowhere is not a folder"),
        ("--init nowhere.onnx --run RUN", "nowhere.onnx is not a file"),
        ("--config nowhere.json", "nowhere.json holds no settings"),
        ("--folds 10 --output m.onnx --run RUN", "no --output"),
        ("--resume --run RUN", "RUN"),
    ],
)
def test_training_that_cannot_be_is_one_line_before_any_work(trouble, tmp_path, arguments, said):
    words = [str(tmp_path / "run") if word == "RUN" else word for word in arguments.split()]
    assert said.replace("RUN", str(tmp_path / "run")) in trouble(*words, command=train)
    assert not list(tmp_path.iterdir())


def test_what_training_needs_is_named_where_it_is_missing(repository, tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    ended = subprocess.run(
        [sys.executable, repository / "train.py", "--data", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
    )
    assert ended.returncode == 2
    assert ended.stderr == "facesim: train needs torch: pip install -e '.[train]'.\n"
