"""Calibration: what is chosen on pairs, who chooses and who checks, and what the new model file holds."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from facesim import Model
from facesim.data.dataset import read_folder
from facesim.errors import FaceSimError
from facesim.evaluation.calibrate.calibrate import calibrate
from facesim.evaluation.calibrate.check import check, divide
from facesim.evaluation.calibrate.choice import EER, MAX_F1, choose_calibration, choose_threshold, threshold_for_fmr
from facesim.evaluation.calibrate.measured_pairs import MeasuredPairs
from facesim.evaluation.protocol import people_seen
from facesim.model_info import check_points, info_to_metadata
from facesim.onnx_file import write_metadata
from facesim.operating_points import point_text


def made_up(people: int, photos: int, spread: float = 0.05, seed: int = 0) -> MeasuredPairs:
    """Pairs of so many photos of each person: genuine ones around 0.4, impostor ones around 0.8."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), photos)
    pairs = np.stack(np.triu_indices(len(who), 1), axis=1)
    same = who[pairs[:, 0]] == who[pairs[:, 1]]
    return MeasuredPairs(random.normal(np.where(same, 0.4, 0.8), spread), same, who[pairs])


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep crops away from the user's cache, yet cut them once."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "calibration cache"))


@pytest.fixture(scope="session")
def twelve(copy_people):
    """Twelve of LFW's people, five photos of each: too few for halves."""
    return copy_people(12, 5)


@pytest.fixture(scope="session")
def untrained(model, tmp_path_factory):
    """The model that ships, as if it had seen nobody and stored too strict a threshold."""
    path = tmp_path_factory.mktemp("untrained") / "model.onnx"
    shutil.copy(model.path, path)
    trained_on = {"data": "nobody", "train_identities": []}
    info = dataclasses.replace(model.info, threshold=0.2, calibration=(10.0, -50.0), trained_on=trained_on)
    write_metadata(path, info_to_metadata(info))
    return Model(path)


@pytest.fixture(scope="session")
def calibrated(untrained, twelve, tmp_path_factory):
    """The model file calibrated on twelve people, and the result."""
    path = tmp_path_factory.mktemp("calibrated") / "mine.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "calibration cache"))
        result = calibrate(path, untrained, (str(twelve),))
    return path, result


def test_many_sure_pairs_decide_and_few_unsure_ones_leave_the_threshold_where_it_was():
    assert choose_threshold(made_up(30, 8), MAX_F1, 0.3).threshold == pytest.approx(0.6, abs=0.06)
    pairs = made_up(10, 3, spread=0.2)
    before = choose_threshold(pairs, MAX_F1, 0.0).pairs_alone + 0.005
    choice = choose_threshold(pairs, MAX_F1, before)
    assert (choice.threshold, choice.moved) == (before, 0)


def test_a_threshold_lies_between_the_one_from_before_and_what_the_pairs_say():
    pairs = made_up(12, 4, spread=0.15)
    for before in (0.0, 0.3, 0.5, 0.7, 1.2):
        choice = choose_threshold(pairs, MAX_F1, before)
        low, high = sorted((before, choice.pairs_alone))
        assert low <= choice.threshold <= high
        assert choice.interval[0] <= choice.pairs_alone <= choice.interval[1]


def test_each_criterion_is_met_on_the_pairs_that_choose():
    pairs = made_up(30, 5, spread=0.15)
    genuine, impostor = pairs.distances[pairs.same], pairs.distances[~pairs.same]
    for fmr in (0.1, 0.01, 0.001):
        threshold = threshold_for_fmr(pairs, fmr)
        assert (impostor < threshold).sum() == int(fmr * len(impostor))
    equal = choose_threshold(pairs, EER, 5.0).pairs_alone
    assert (impostor < equal).mean() == pytest.approx((genuine >= equal).mean(), abs=0.02)
    best = choose_threshold(pairs, MAX_F1, 5.0).pairs_alone

    def f1(threshold):
        hits, false = (genuine < threshold).mean(), (impostor < threshold).mean()
        return 2 * hits / (hits + false + 1)

    assert f1(best) > max(f1(threshold) for threshold in np.linspace(0, 1.5, 301)) - 0.01


def test_the_slope_lies_between_both_and_a_hundred_genuine_pairs_weigh_as_much_as_the_one_from_before():
    pairs = made_up(10, 5)  # 100 genuine pairs
    calibration, weight = choose_calibration(pairs, 0.6, (30.0, -50.0))
    (_, alone), _ = choose_calibration(pairs, 0.6, (0.0, 0.0))
    assert weight == 0.5
    assert calibration[1] == pytest.approx(alone + 0.5 * -50)
    assert calibration[0] + calibration[1] * 0.6 == pytest.approx(0)


def test_halves_share_nobody_and_folds_are_checked_by_people_who_are_not_in_them():
    division = divide(made_up(30, 5), seed=0)
    assert division.halves
    assert set(division.choosing.people.ravel()) & set(division.checking.people.ravel()) == set()
    few = made_up(12, 5)
    division = divide(few, seed=0)
    assert not division.halves
    seen = []

    def choose(pairs):
        seen.append(set(pairs.people.ravel()))
        return float(len(seen))

    thresholds = division.thresholds(choose)
    for i, people in enumerate(seen, 1):
        assert people
        assert people & set(few.people[thresholds == i].ravel()) == set()
    assert set(thresholds) == set(range(1, len(seen) + 1))  # every pair is checked once


def test_rates_are_those_of_a_plain_count_and_lie_in_their_intervals():
    pairs = made_up(12, 5, spread=0.2)
    thresholds = np.where(pairs.people[:, 0] < 6, 0.55, 0.65)
    rates = check(pairs, thresholds)
    matched = pairs.distances < thresholds
    assert rates.fmr == (matched & ~pairs.same).sum() / (~pairs.same).sum()
    assert rates.fnmr == (~matched & pairs.same).sum() / pairs.same.sum()
    for name in ("fmr", "fnmr", "f1"):
        low, high = getattr(rates, f"{name}_interval")
        assert low < getattr(rates, name) < high


def test_a_pair_without_a_face_is_a_non_match_and_does_not_count_as_one_to_choose_on():
    pairs = made_up(12, 5)
    faceless = dataclasses.replace(pairs, distances=np.where(pairs.people[:, 0] < 3, np.nan, pairs.distances))
    assert faceless.counts()["people_with_genuine_pairs"] == 9
    assert faceless.lacking() == "9 people with two photos or more (10 are needed)"
    assert check(faceless, np.full(len(pairs.same), 0.6)).fnmr == pytest.approx(0.25, abs=0.02)


def test_the_file_keeps_the_network_and_says_what_its_figures_rest_on(calibrated, untrained, twelve):
    path, result = calibrated
    new = Model(path)
    assert new.fingerprint == untrained.fingerprint
    assert onnx.load(path).graph == onnx.load(untrained.path).graph
    assert (new.info.threshold, new.info.calibration) == (result.choice.threshold, result.calibration)
    assert 0.3 < new.info.threshold < 0.5
    assert [point.name for point in new.info.operating_points] == ["best F1", "FMR 1 %", "FMR 0.01 %"]
    assert new.info.operating_points[0].threshold == new.info.threshold
    counts = new.info.distances
    assert (sum(counts.genuine), sum(counts.impostor)) == (result.checked_on["genuine"], result.checked_on["impostor"])
    record = new.info.trained_on["calibrated_on"]
    assert sorted(record["identities"]) == sorted(folder.name for folder in twelve.iterdir())
    assert (record["data"], record["criterion"], record["genuine"]) == (twelve.name, "best F1", 120)
    before = record["before"]
    assert (before["threshold"], before["calibration"]) == (0.2, [10.0, -50.0])
    assert check_points(before["operating_points"]) == untrained.info.operating_points
    assert people_seen(new.info, read_folder(twelve)) == set(record["identities"])
    assert people_seen(untrained.info, read_folder(twelve)) == set()


def test_too_strict_a_threshold_is_mended_on_people_who_did_not_choose(calibrated):
    _, result = calibrated
    assert not result.halves
    assert result.before.fnmr > 0.2
    assert result.after.f1 > result.before.f1
    assert result.after.f1_interval[0] > 0.9
    assert result.missing == {"FMR 0.1 %": 8350, "FMR 0.01 %": 98350, "FMR 0.001 %": 998350}


def test_stricter_points_that_these_photos_cannot_choose_stay_and_say_where_they_were_measured(calibrated, untrained):
    _, result = calibrated
    info, before = Model(calibrated[0]).info, untrained.info.operating_points[-1]
    strictest = info.operating_points[-1]
    assert result.kept == (strictest,)
    assert strictest == dataclasses.replace(before, data="nobody")
    assert strictest.threshold < min(point.threshold for point in result.points)
    assert info.measured_on(strictest) == "nobody"
    assert info.measured_on(info.operating_points[0]) == info.trained_on["calibrated_on"]["data"]
    assert point_text(info, strictest.threshold) == "FMR 0.01 %: FMR measured as 0.0074 % on nobody"


def test_calibrating_again_begins_from_what_the_file_stated_first(calibrated, twelve, tmp_path):
    path, result = calibrated
    again = calibrate(tmp_path / "again.onnx", Model(path), (str(twelve),))
    assert dataclasses.replace(again, model=result.model) == result
    assert Model(tmp_path / "again.onnx").info == Model(path).info


def test_the_command_prints_before_against_after_and_what_is_missing(run, untrained, twelve, tmp_path):
    arguments = ("calibrate", "-w", untrained.path, "--data", twelve, "-o", tmp_path / "mine.onnx")
    status, printed, _ = run(*arguments)
    assert status == 0
    for said in (
        "everybody: too few for halves",
        "before, at 0.2000",
        "FMR 0.1 % is not stored: 8,350 more impostor pairs are needed to choose it",
        "FMR 0.01 % is as before, threshold 0.3624, with an FMR of 0.0074 % on nobody: 98,350 more",
    ):
        assert said in printed
    status, printed, _ = run(*arguments, "--target-fmr", "0.01", "--json")
    result = json.loads(printed, parse_constant=pytest.fail)
    assert (status, result["criterion"], result["halves"]) == (0, "FMR 1 %", False)
    assert Model(tmp_path / "mine.onnx").info.threshold == result["choice"]["threshold"]
    assert run(*arguments, "--eer")[0] == 0
    assert "EER" in [point.name for point in Model(tmp_path / "mine.onnx").info.operating_points]


def test_a_list_of_pairs_calibrates_too_and_takes_pairs_as_independent(run, untrained, twelve, tmp_path):
    photos = sorted(twelve.rglob("*.jpg"))
    rows = [
        f"{one},{other},{int(one.parent == other.parent)}" for i, one in enumerate(photos) for other in photos[i + 1 :]
    ]
    (tmp_path / "pairs.csv").write_text("\n".join(["photo1,photo2,same", *rows]))
    status, printed, _ = run(
        "calibrate", "-w", untrained.path, "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "mine.onnx"
    )
    assert (status, "pairs are taken as independent" in printed) == (0, True)
    info = Model(tmp_path / "mine.onnx").info
    assert info.trained_on["calibrated_on"]["identities"] == []
    assert 0.3 < info.threshold < 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--output"),
        (("-o", "m.onnx"), "--data FOLDER, or --pairs FILE"),
        (("-o", "m.pt", "--data", "PEOPLE"), "m.pt is no name for a model file: let it end in .onnx."),
        (("-o", "m.onnx", "--data", "PEOPLE", "--eer", "--max-f1"), "give one of them"),
        (("-o", "m.onnx", "--data", "PEOPLE", "--target-fmr", "0.001"), "takes 10,000 impostor pairs to choose on"),
        (("-o", "m.onnx", "--data", "FEW"), "6 people with two photos or more (10 are needed) and 36 genuine pairs"),
        (("-o", "m.onnx", "--data", "PEOPLE", "--pairs", __file__), "leave out --data"),
        (("-o", "MODEL", "--data", "PEOPLE"), "which is read; name another"),
    ],
)
def test_trouble_is_one_line_and_leaves_no_file(run, own_folders, tmp_path, untrained, twelve, arguments, said):
    for folder in sorted(twelve.iterdir())[:6]:
        (tmp_path / "few" / folder.name).mkdir(parents=True)
        for photo in sorted(folder.iterdir())[:4]:
            shutil.copy(photo, tmp_path / "few" / folder.name)
    words = {"PEOPLE": twelve, "FEW": tmp_path / "few", "MODEL": untrained.path}
    before = untrained.path.read_bytes()
    status, printed, complaint = run("calibrate", "-w", untrained.path, *(words.get(word, word) for word in arguments))
    assert (status, printed) == (2, "")
    assert said in complaint.splitlines()[-1]
    assert not list(tmp_path.glob("here/*"))
    assert untrained.path.read_bytes() == before


@pytest.mark.parametrize(
    "record", ["[]", '{"data": 5}', '{"identities": [5]}', '{"data": "x"}', '{"before": {"threshold": 9}}']
)
def test_a_record_that_makes_no_sense_is_refused(write_model, refuses, record):
    path = write_model(trained_on=f'{{"calibrated_on": {record}}}')
    with refuses(path):
        Model(path)


def test_people_whom_the_model_has_seen_are_left_out(model, twelve, tmp_path):
    trained_on = {"train_identities": sorted(folder.name for folder in twelve.iterdir())[:11]}
    path = tmp_path / "model.onnx"
    shutil.copy(model.path, path)
    write_metadata(path, info_to_metadata(dataclasses.replace(model.info, trained_on=trained_on)))
    with pytest.raises(FaceSimError, match="nobody whom the model has not seen"):
        calibrate(tmp_path / "mine.onnx", Model(path), (str(twelve),))


def test_calibrating_needs_no_torch(repository):
    code = "import facesim.evaluation.calibrate.calibrate, facesim.cli.calibrate, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository, env=os.environ).returncode == 0
