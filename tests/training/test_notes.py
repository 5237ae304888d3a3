"""What a run says before the work."""

import shlex

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.source import Source
from facesim.training.notes import print_notes
from facesim.training.settings import Settings


@pytest.fixture
def said(tmp_path, capsys):
    """Returns what a run with these settings says of people with so many photos."""

    def said(counts, **given):
        settings = Settings.best(data=("photos",), reference="none", **given)
        identities = np.repeat([f"person {i}" for i in range(len(counts))], counts)
        dataset = Dataset("photos", tmp_path, tuple(f"{i}.jpg" for i in range(len(identities))), identities)
        source = Source((dataset,), dataset, np.ones(len(identities), bool), ())
        splits = source.folds(settings.folds, 0) if settings.folds else [source.split(settings.seed)]
        print_notes(settings, source, splits, None)
        return capsys.readouterr().err

    return said


def test_who_trains_and_who_has_one_photo_only(said):
    first, *others = said([6] * 60 + [1] * 7).splitlines()
    assert first == (
        "facesim: 47 people with 247 photos to train on, 7 of them with one photo only; 10 to choose the threshold; "
        "10 to test."
    )
    assert not others


def test_one_person_with_half_of_the_photos_is_named(said):
    half = "".join(said([1] * 30 + [2] * 6 + [30], seed=seed) for seed in range(4))  # by chance, who is held out
    assert "person 36 is on 47% of the photos to train on" in half


def test_few_people_are_counted_before_the_work_with_the_command_that_tests_everybody(said):
    text = said([8] * 12)
    assert "2 people with two photos or more (10 are needed) and 64 impostor pairs (500 are needed)" in text
    assert "It stays at the start's, 0.4353" in text
    assert "facesim train --data photos --reference none --folds 5" in text or "--folds 5 --reference none" in text


def test_five_folds_are_not_proposed_to_people_too_few_for_them(said):
    assert "--folds" not in said([8] * 8)


def test_folds_are_not_proposed_again(said):
    text = said([8] * 12, folds=5)
    assert "the first of 5 folds" in text
    assert "cross-validate" not in text


def test_without_a_start_the_threshold_is_said_to_be_chance(said):
    assert "largely chance" in said([8] * 12, backbone="small")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"data": ("a b", "lfw"), "identities": 12, "keep_trained": True},
        {"backbone": "small", "epochs": 30, "seed": 3},
        {"backbone": "resnet18", "init": "scratch", "loss": "triplet", "margin": 0.3},
        {"init": "mine.onnx", "learning_rate": 1e-5},
    ],
)
def test_a_command_repeats_its_settings(given):
    from facesim.cli.train import train

    settings = Settings.best(**given)
    words = shlex.split(settings.command(folds=5))
    parsed = train.make_context("train", words[2:]).params
    for name in ("config", "run_folder", "output", "resume", "tensorboard"):
        parsed.pop(name)
    parsed["data"] = parsed["data"] or None
    assert Settings.best(**parsed) == Settings.best(**given | {"folds": 5})
