"""Whole training runs, as small as they can be, on a few of LFW's people."""

import dataclasses
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
from PIL import Image

from facesim import Model
from facesim.data.dataset import read_folder
from facesim.data.split import split_by_identity
from facesim.errors import FaceSimError
from facesim.training.run import train
from facesim.training.settings import Settings


@pytest.fixture(scope="module")
def people(data_home, tmp_path_factory):
    """Forty of LFW's people with five photos or more, five of each."""
    root = tmp_path_factory.mktemp("people")
    rich = [folder for folder in sorted((data_home / "lfw").iterdir()) if len(list(folder.iterdir())) >= 5]
    for folder in rich[:40]:
        (root / folder.name).mkdir()
        for photo in sorted(folder.iterdir())[:5]:
            shutil.copy(photo, root / folder.name)
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep crops away from the user's cache, yet cut them once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def tiny(people, **changed):
    return Settings.for_init("dlib", data=str(people), **{"localiser_epochs": 1, "epochs": 1} | changed)


def test_a_run_leaves_a_model_that_says_on_whom_it_was_tested(people, tmp_path):
    results = train(tiny(people), tmp_path / "run", tmp_path / "model.onnx")
    model = Model(tmp_path / "model.onnx")
    told = model.info.trained_on
    dataset = read_folder(people)
    parts = split_by_identity(dataset, seed=0).identities(dataset)
    assert set(told["test_identities"]) == parts["test"]
    assert set(told["validation_identities"]) == parts["validation"]
    assert told["fingerprint"] == dataset.fingerprint()
    assert told["settings"]["epochs"] == 1
    assert model.info.threshold == results["threshold"]
    assert results["f1"] > 0.9
    stages = [json.loads(line)["stage"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert stages == ["localiser", "identity"]
    assert Image.open(tmp_path / "run" / "curves.png").width > 500


def test_a_run_from_scratch_also_gives_a_model(people, tmp_path):
    settings = Settings.for_init("scratch", data=str(people), epochs=1)
    results = train(settings, tmp_path / "run", tmp_path / "model.onnx")
    assert 0 < results["f1"] <= 1
    assert Model(tmp_path / "model.onnx").embed(np.zeros((1, 160, 160, 3), np.uint8)).shape == (1, 129)


def weights(model):
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(model).graph.initializer}


def test_a_killed_run_resumes_to_the_same_weights(people, tmp_path):
    settings = tiny(people, localiser_epochs=2, epochs=2)
    train(settings, tmp_path / "whole", tmp_path / "whole.onnx")

    run, model = tmp_path / "killed", tmp_path / "killed.onnx"
    command = [sys.executable, "-m", "facesim.cli", "train", "--data", str(people), "--localiser-epochs", "2"]
    command += ["--epochs", "2", "--run", str(run), "--output", str(model)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
    deadline = time.monotonic() + 300
    while not (run / "metrics.jsonl").is_file() or len((run / "metrics.jsonl").read_text().splitlines()) < 3:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not model.exists()

    train(settings, run, model, resume=True)
    ours, theirs = weights(model), weights(tmp_path / "whole.onnx")
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_other_settings(people, tmp_path):
    settings = tiny(people, epochs=0)
    train(settings, tmp_path / "run", tmp_path / "model.onnx")
    with pytest.raises(FaceSimError, match="add --resume"):
        train(settings, tmp_path / "run", tmp_path / "model.onnx")
    with pytest.raises(FaceSimError, match="other settings \\(seed\\)"):
        train(dataclasses.replace(settings, seed=1), tmp_path / "run", tmp_path / "model.onnx", resume=True)
    with pytest.raises(FaceSimError, match="no finished epoch"):
        train(settings, tmp_path / "empty", tmp_path / "model.onnx", resume=True)


@pytest.mark.parametrize(
    "wrong", [{"margin": 0}, {"epochs": -1}, {"learning_rate": 2}, {"augmentation": 3}, {"init": "magic"}]
)
def test_settings_without_sense_are_refused_before_anything_is_read(tmp_path, wrong):
    with pytest.raises(FaceSimError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
        train(Settings(data="nowhere", **wrong), tmp_path / "run", tmp_path / "model.onnx")
    assert not (tmp_path / "run").exists()
