"""Whole training runs, as small as they can be, on a few of LFW's people."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from facesim import Model
from facesim.data.cache import cached_crops
from facesim.data.dataset import read_folder
from facesim.data.kept import kept
from facesim.data.split import split_by_identity
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.evaluation.scoring import embed_crops
from facesim.photo import open_photo
from facesim.training.export import export
from facesim.training.run import train
from facesim.training.settings import Settings
from facesim.training.start import read_network, starting_network


@pytest.fixture(scope="module")
def people(copy_people):
    """Forty of LFW's people with five photos or more, five of each."""
    return copy_people(40, 5)


@pytest.fixture(scope="module")
def few(copy_people):
    """Twenty-four of them, four of each: enough where it does not matter how good the model becomes."""
    return copy_people(24, 4)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Keep crops away from the user's cache, yet cut them once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def finished(few, tmp_path_factory):
    """The folder of a run of `small(few, epochs=2)`, which no test may change."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(small(few, epochs=2), folder, tensorboard=True)
    return folder


@pytest.fixture(scope="module")
def taught(people, tmp_path_factory):
    """The folder of a run of `tiny(people)`, whose model is in `mine.onnx`."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    train(tiny(people), folder, folder / "mine.onnx")
    return folder


def tiny(people, **changed):
    """One recogniser and an epoch of each stage: half the time of what is trained by default."""
    return Settings.best(data=(str(people),), **{"backbone": "resnet29", "localiser_epochs": 1, "epochs": 1} | changed)


def small(people, **changed):
    return tiny(people, **{"backbone": "small", "localiser_epochs": 0, "people_per_batch": 8} | changed)


def further(few, finished, **changed):
    """Go on from the model of a finished run, held near it."""
    given = {"backbone": "small", "init": str(finished / "model.onnx"), "reference": "none", "keep_trained": True}
    return Settings.best(data=(str(few),), **given | changed)


def epochs(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_a_model_that_says_on_whom_it_was_tested(people, taught):
    results = json.loads((taught / "results.json").read_text())
    model = Model(taught / "mine.onnx")
    told = model.info.trained_on
    dataset = read_folder(people)
    parts = split_by_identity(dataset, seed=0).identities(dataset)
    assert set(told["test_identities"]) == parts["test"]
    assert set(told["validation_identities"]) == parts["validation"]
    assert set(told["train_identities"]) == parts["train"]
    assert told["fingerprint"] == dataset.fingerprint()
    assert told["settings"] == json.loads((taught / "settings.json").read_text())
    assert model.info.threshold == results["threshold"]
    assert results["f1"] > 0.8
    assert [epoch["stage"] for epoch in epochs(taught)] == ["localiser", "identity"]
    assert 0 <= epochs(taught)[1]["violations"] <= 1
    with Image.open(taught / "curves.png") as picture:
        assert picture.width > 500
    for part in parts:
        with Image.open(taught / f"pairs-{part}.png") as picture:
            assert picture.height > 200


@pytest.mark.parametrize(
    ("loss", "mining", "random_epochs"),
    [("contrastive", "hard", 0), ("triplet", "random", 1), ("triplet", "semihard", 1)],
)
def test_every_way_to_learn_leads_from_nothing_to_a_model(few, tmp_path, loss, mining, random_epochs):
    settings = small(few, loss=loss, mining=mining, random_epochs=random_epochs, epochs=2)
    results = train(settings, tmp_path / "run")
    assert 0 < results["f1"] <= 1
    assert Model(tmp_path / "run" / "model.onnx").embed(np.zeros((1, 160, 160, 3), np.uint8)).shape == (1, 129)
    first, second = epochs(tmp_path / "run")
    assert 0 <= second["violations"] <= first["violations"] <= 1


def test_where_people_are_too_few_to_judge_the_start_comes_out_and_the_trained_model_beside_it(
    few, tmp_path, model, hopper, capsys
):
    settings = Settings.best(data=(str(few),), init=str(model.path), epochs=1, reference="none")
    results = train(settings, tmp_path / "run")
    assert [epoch["stage"] for epoch in epochs(tmp_path / "run")] == ["identity"]
    assert (results["output"], results["finding"]) == ("start", "too few people")
    assert (tmp_path / "run" / "model.onnx").read_bytes() == model.path.read_bytes()
    photo = open_photo(hopper)
    crop = centre_crop(cut_wide_crop(photo, find_faces(photo)[0]))[None]
    further = Model(tmp_path / "run" / "trained.onnx")
    assert 1e-5 < np.linalg.norm(further.embed(crop) - model.embed(crop)) < 0.1
    assert further.info.trained_on["begun_from"] == model.info.trained_on
    assert further.info.threshold == results["start"]["threshold"] == model.info.threshold
    assert further.info.operating_points == ()
    said = capsys.readouterr().err
    assert "2 people with two photos or more (10 are needed)" in said
    assert "the start will be the model" in said


def test_training_that_helps_is_kept(people, taught, tmp_path):
    """The start's last layer is spoilt, and learned again."""
    net = read_network(taught / "mine.onnx", "resnet29")
    torch.manual_seed(0)
    with torch.no_grad():
        weights = net.recognisers[0].head.weight
        weights += 2 * weights.std() * torch.randn_like(weights)
    export(net, Model(taught / "mine.onnx").info, tmp_path / "spoilt.onnx")
    given = {"epochs": 3, "freeze_until": 3, "learning_rate": 1e-3, "hold": 0.0, "blend": 0.0, "reference": "none"}
    settings = tiny(people, init=str(tmp_path / "spoilt.onnx"), localiser_epochs=0, **given)
    results = train(settings, tmp_path / "run")
    assert (results["output"], results["finding"]) == ("trained", "better")
    assert results["gain"]["validation"]["interval"][0] > 0
    assert results["fmr"] == results["trained"]["fmr"] < results["recalibrated"]["fmr"] < results["start"]["fmr"]
    assert "begun_from" in Model(tmp_path / "run" / "model.onnx").info.trained_on
    assert not (tmp_path / "run" / "trained.onnx").exists()


def test_training_that_does_not_help_gives_the_start_calibrated_for_these_people(people, finished, tmp_path):
    settings = further(people, finished, keep_trained=False, epochs=1, learning_rate=1e-9)
    start, dataset = Model(finished / "model.onnx"), read_folder(people)
    embed_crops(start, cached_crops(dataset), np.arange(len(dataset.photos)))
    embeddings = kept(("embeddings",))
    results = train(settings, tmp_path / "run", tmp_path / "mine.onnx")
    assert (results["output"], results["finding"]) == ("start", "no better")
    assert kept(("embeddings",)) == embeddings  # the start's file has made no more
    mine = Model(tmp_path / "mine.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), np.uint8)
    assert np.array_equal(mine.embed(noise), start.embed(noise))
    assert mine.info.threshold == results["threshold"] == results["recalibrated"]["threshold"]
    told = mine.info.trained_on.pop("calibrated_on")
    assert mine.info.trained_on == start.info.trained_on
    assert len(told["identities"]) == 10
    assert [point.name for point in mine.info.operating_points] == ["best F1", "FMR 1 %"]
    assert (tmp_path / "run" / "trained.onnx").is_file()


def test_until_told_otherwise_only_the_last_layer_is_trained(few, finished, tmp_path):
    frozen = small(few, freeze_until=2, epochs=2)
    train(frozen, tmp_path / "frozen")

    def directions(filters):  # batch norm scales each filter, and leaves its direction
        filters = filters.reshape(len(filters), -1)
        return filters / np.linalg.norm(filters, axis=1, keepdims=True)

    def turned(run):
        stem = next(value for name, value in weights(run / "model.onnx").items() if "stem.0.weight" in name)
        return np.abs(directions(stem) - start).max()

    start = directions(starting_network(frozen).recognisers[0].features.stem[0].weight.detach().numpy())
    assert turned(tmp_path / "frozen") < 1e-3 < turned(finished)  # weights are stored in half precision


def test_training_ends_when_it_no_longer_helps(few, finished, tmp_path):
    settled = further(few, finished, epochs=5, patience=1, learning_rate=1e-9)
    train(settled, tmp_path / "patience")
    assert len(epochs(tmp_path / "patience")) == 2
    train(small(few, loss="triplet", epochs=8, until_violations=0.999), tmp_path / "violations")
    *before, last = [epoch["violations"] for epoch in epochs(tmp_path / "violations")]
    assert len(before) < 7
    assert all(share >= 0.999 for share in before)
    assert last < 0.999


def weights(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}


def assert_equal_weights(model, other):
    ours, theirs = weights(model), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("kind", ["fine-tuned", "early stop"])
def test_a_killed_run_resumes_to_the_same_weights(few, finished, repository, tmp_path, kind):
    if kind == "fine-tuned":
        settings, after = further(few, finished, localiser_epochs=2, epochs=2), 3
    else:
        settings, after = small(few, loss="triplet", random_epochs=1, epochs=3, patience=2), 2
    train(settings, tmp_path / "whole")

    run = tmp_path / "killed"
    command = [sys.executable, str(repository / "train.py"), "--run", str(run)]
    command += ["--config", str(tmp_path / "whole" / "settings.json")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 300
    while not (run / "metrics.jsonl").is_file() or len(epochs_so_far(run)) < after:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "model.onnx").exists()

    train(settings, run, resume=True)
    assert_equal_weights(run / "model.onnx", tmp_path / "whole" / "model.onnx")


def epochs_so_far(run):
    return (run / "metrics.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    "moment",
    [
        "facesim.training.run.export",
        "facesim.training.outcome.rate_model",
        "facesim.training.record.draw_curves",
    ],
)
def test_a_run_that_dies_at_any_moment_goes_on_as_if_it_had_not(few, finished, tmp_path, monkeypatch, moment):
    """At the export, at the last judgement, or between a line of the log and its checkpoint."""
    settings = small(few, epochs=2)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(moment, die)
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "dead")
    train(settings, tmp_path / "dead", resume=True)
    assert_equal_weights(tmp_path / "dead" / "model.onnx", finished / "model.onnx")
    assert [epoch["loss"] for epoch in epochs(tmp_path / "dead")] == [epoch["loss"] for epoch in epochs(finished)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="counts on there being no GPU")
def test_two_processes_learn_what_one_learns_with_twice_the_batch(few, finished, repository, tmp_path):
    """Mirrored otherwise, so equal only within noise: they end nearer to each other than to where they began."""
    start = finished / "model.onnx"
    given = {"backbone": "small", "init": str(start), "epochs": 2, "learning_rate": 1e-4, "augmentation": 0.0}
    given |= {"hold": 0.0, "blend": 0.0, "margin": 0.6, "genuine_margin": 0.1, "reference": "none"}
    train(Settings.best(data=(str(few),), people_per_batch=16, keep_trained=True, **given), tmp_path / "one")
    options = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    command += [
        str(repository / "train.py"),
        "--data",
        str(few),
        "--people-per-batch",
        "8",
        "--singles-per-batch",
        "8",
        "--keep-trained",
    ]
    subprocess.run(command + options + ["--run-folder", str(tmp_path / "two")], check=True, capture_output=True)

    photos = read_folder(few).paths()[::10]
    crops = [centre_crop(cut_wide_crop(photo, find_faces(photo)[0])) for photo in map(open_photo, photos)]
    began, one, two = (
        Model(path).embed(np.stack(crops))
        for path in (start, tmp_path / "one" / "model.onnx", tmp_path / "two" / "model.onnx")
    )
    moved = np.linalg.norm(one - began, axis=1).mean()
    assert moved > 0.02
    assert np.linalg.norm(two - one, axis=1).mean() < 0.5 * moved
    both = [epochs(tmp_path / run) for run in ("one", "two")]
    for ours, theirs in zip(*both, strict=True):
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=0.05)


def test_folds_test_everybody_once_and_state_their_error(few, tmp_path):
    settings = small(few, epochs=1, folds=4)
    summary = train(settings, tmp_path / "run")
    f1 = [fold["f1"] for fold in summary["folds"]]
    assert summary["f1"] == pytest.approx((np.mean(f1), np.std(f1, ddof=1) / 2))
    tested = [
        Model(tmp_path / "run" / f"fold-{i}" / "model.onnx").info.trained_on["test_identities"] for i in range(1, 5)
    ]
    assert sorted(itertools.chain(*tested)) == sorted(set(read_folder(few).identities.tolist()))
    with Image.open(tmp_path / "run" / "folds.png") as picture:
        assert picture.width > 500
    (tmp_path / "run" / "fold-2" / "results.json").unlink()
    assert train(settings, tmp_path / "run", resume=True) == summary


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_other_settings(few, finished, tmp_path):
    settings = small(few, epochs=2)
    with pytest.raises(FaceSimError, match="add --resume"):
        train(settings, finished)
    with pytest.raises(FaceSimError, match="other settings \\(seed\\)"):
        train(small(few, epochs=2, seed=1), finished, resume=True)
    with pytest.raises(FaceSimError, match="no run to continue"):
        train(settings, tmp_path / "empty", resume=True)


def test_tensorboard_gets_scalars_and_pictures_of_pairs(finished):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    assert events.Scalars("identity/validation_f1")[0].value == pytest.approx(epochs(finished)[0]["validation_f1"])
    assert events.Images("identity/pairs")[0].width > 300


@pytest.mark.parametrize(
    ("counts", "wrong", "said"),
    [
        ([5] * 5, {}, "6 or more"),
        ([1] * 30, {}, "two photos"),
        ([1] * 3 + [5] * 3, {}, "two photos"),
        ([3] * 12, {"folds": 7}, "--folds 7"),
        ([3] * 12, {"identities": 13}, "--identities 13"),
        ([3] * 12, {"init": "nowhere.onnx"}, "nowhere.onnx"),
        ([3] * 12, {"exclude": "nowhere.txt"}, "nowhere.txt"),
    ],
)
def test_data_that_cannot_give_a_model_is_refused_before_a_face_is_cut(
    tmp_path, hopper, counts, wrong, said, monkeypatch
):
    for i, count in enumerate(counts):
        (tmp_path / "photos" / f"person {i}").mkdir(parents=True)
        for j in range(count):
            shutil.copy(hopper, tmp_path / "photos" / f"person {i}" / f"{j}.jpg")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(FaceSimError, match=said):
        train(small(tmp_path / "photos", **wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


def test_a_full_disk_is_refused_before_a_face_is_cut(people, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 1, 1))
    with pytest.raises(FaceSimError, match="the crops need"):
        train(small(people), tmp_path / "run")
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_folds_are_refused_where_the_start_has_seen_people_to_test_on(people, tmp_path):
    """The localiser that ships has learned from LFW's people."""
    with pytest.raises(FaceSimError, match=r"--init shipped starts from has seen \d+ of the 40 people to test on"):
        train(Settings.best(data=(str(people),), folds=4, epochs=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
