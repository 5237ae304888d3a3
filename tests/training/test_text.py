"""A result that is no success does not read as one."""

from pathlib import Path

import pytest

from facesim.cli.messages import results_text
from facesim.training.folds import summarise, table
from facesim.training.text import FOUND, comparison_text


def rates(f1, fmr, fnmr, threshold=0.4):
    return {
        "threshold": threshold,
        "test_pairs": 200,
        "f1": f1,
        "f1_interval": (f1 - 0.1, f1),
        "accuracy": f1,
        "fmr": fmr,
        "fmr_interval": (max(0, fmr - 0.05), fmr + 0.05),
        "fnmr": fnmr,
        "fnmr_interval": (max(0, fnmr - 0.05), fnmr + 0.05),
    }


def results(output, finding, **others):
    gain = {"f1": 0.01, "interval": (-0.01, 0.03), "lacking": ""}
    start = rates(0.95, 0.02, 0.03) | {"test_people_seen": 0}
    return rates(0.96, 0.02, 0.03) | {
        "output": output,
        "finding": finding,
        "gain": {"validation": gain, "test": gain},
        "start": start,
        "trained": rates(0.96, 0.02, 0.03),
        **others,
    }


def text(result):
    return comparison_text(result, Path("m.onnx"), Path("run/trained.onnx"))


@pytest.mark.parametrize("finding", FOUND)
def test_what_was_found_and_what_the_model_is_are_said(finding):
    said = text(results("start", finding))
    assert FOUND[finding] in said.lower().replace("f1", "F1")
    assert "the model is the start, unchanged" in said
    assert "run/trained.onnx" in said
    assert "Training improved" not in said
    kept = text(results("trained", finding))
    assert f"kept as asked, although {FOUND[finding]}" in kept
    assert "Training improved" not in kept


def test_a_better_model_is_called_better():
    said = text(results("trained", "better"))
    assert "Training improved the model." in said
    assert "trained.onnx" not in said


def test_start_and_trained_stand_beside_each_other_on_strangers_too():
    strangers = {"data": "lfw", "start": rates(0.9, 0.008, 0.0), "trained": rates(0.9, 0.339, 0.0)}
    new = rates(0.955, 0.02, 0.03, 0.5)
    said = text(results("start", "worse on strangers", strangers=strangers, recalibrated=new))
    lines = [line.split("  ") for line in said.splitlines()]
    assert [cell.strip() for cell in lines[1] if cell.strip()] == ["start", "its new threshold", "trained"]
    assert "33.90 %" in next(line for line in said.splitlines() if line.startswith("FMR on lfw"))
    assert "with threshold, probability and error rates for these people" in said


def test_a_model_that_may_be_chance_is_not_to_be_used():
    assert "no better than chance" in results_text(rates(0.66, 0.9, 0.05), "people", Path("m.onnx"))
    assert "chance" not in results_text(rates(0.9, 0.1, 0.1), "people", Path("m.onnx"))


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ((0.02, 0.03, 0.025), "Training raised F1: +0.0250"),
        ((-0.02, -0.03, -0.025), "Training lowered F1"),
        ((0.02, -0.03, 0.025), "Training did not change F1 beyond chance"),
    ],
)
def test_folds_are_compared_with_the_start_on_the_same_people(gains, said):
    starts = [rates(0.9 + i / 100, 0.1, 0.1) for i in range(3)]
    folds = [rates(s["f1"] + g, 0.1, 0.1) | {"start": s} for s, g in zip(starts, gains, strict=True)]
    summary = summarise(folds)
    assert summary["start"]["f1"][0] == pytest.approx(0.91)
    assert said in table({"folds": folds} | summary)
