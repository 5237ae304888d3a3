import csv
import unicodedata
from itertools import combinations

import numpy as np
import pytest

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.data.pairs import all_pairs
from facesim.data.source import Source
from facesim.errors import FaceSimError
from facesim.evaluation.groups import check_columns, group_pairs, measure_groups
from facesim.evaluation.protocol import Protocol
from facesim.evaluation.scoring import Scores
from facesim.evaluation.text import groups_text
from facesim.evaluation.uncertainty import wilson_interval

PEOPLE = [("Ana_Li", "female", "north"), ("Bo", "male", "north"), ("Cy", "female", ""), ("Di", "male", "south")]


@pytest.fixture
def make_scores(tmp_path):
    """Scores of all pairs of photos of the people named, so many of each, at distances that a function gives."""

    def make(names, photos, distance, detectors=None, problems=None, columns=None):
        identities = np.repeat(names, photos)
        files = tuple(f"{name}/{'frontal' if i % 2 else 'profile'}_{i}.jpg" for name in names for i in range(photos))
        dataset = Dataset("made up", tmp_path, files, identities)
        count = len(files)
        detectors = np.full(count, "hog") if detectors is None else np.array(detectors)
        faces = np.array([i not in (problems or {}) for i in range(count)], int)
        crops = CachedCrops(np.zeros((count, 1)), problems or {}, faces, np.ones((count, 2), int), detectors)
        pairs = all_pairs(identities)
        distances = np.array([distance(i, j) for i, j in zip(pairs.first, pairs.second, strict=True)], float)
        source = Source((dataset,), dataset, np.ones(count, bool), ())
        return Scores(Protocol("made up", source, pairs, columns=columns or {}), crops, distances, None)

    return make


@pytest.fixture
def people_csv(tmp_path):
    with open(tmp_path / "people.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("identity", "gender", "region"), *PEOPLE[:3], ("pins_Al Z", "male", "west")])


def test_people_csv_may_spell_names_otherwise(make_scores, tmp_path):
    (tmp_path / "people.csv").write_text(
        f"identity,gender\n{unicodedata.normalize('NFD', 'ZOË LI')} ,female\nBo,male\n"
    )
    scores = make_scores(["Zoë_Li", "bo"], 1, lambda i, j: 1)
    assert group_pairs(scores, ["gender"]).tolist() == [["female", "male"]]


@pytest.mark.usefixtures("people_csv")
def test_groups_are_those_of_people_csv_and_columns_combine(make_scores):
    scores = make_scores(["Ana_Li", "Bo", "Cy", "Di"], 1, lambda i, j: 1)
    assert group_pairs(scores, ["gender"]).tolist() == [
        ["female", "male"],
        ["female", "female"],
        ["female", "unknown"],
        ["male", "female"],
        ["male", "unknown"],
        ["female", "unknown"],
    ]
    combined = group_pairs(scores, ["gender", "region"])
    assert combined[:3].tolist() == [
        ["female, north", "male, north"],
        ["female, north", "female, unknown"],
        ["female, north", "unknown"],
    ]


@pytest.mark.usefixtures("people_csv")
def test_an_unknown_column_is_refused_with_those_that_there_are(make_scores):
    scores = make_scores(["Ana_Li", "Bo"], 1, lambda i, j: 1)
    with pytest.raises(FaceSimError, match=r"--by sex: .*there are detector, gender, prefix, region"):
        check_columns(scores.protocol, ["gender", "sex"])
    with pytest.raises(FaceSimError, match="no such column"):
        measure_groups(scores, None, ["sex"])


def test_a_list_of_pairs_says_its_groups_for_a_pair_or_for_each_photo(make_scores):
    columns = {"age1": np.array(["old", "old", "young"]), "age2": np.array(["old", "young", ""])}
    columns["light"] = np.array(["day", "night", "day"])
    scores = make_scores(["a", "b", "c"], 1, lambda i, j: 1, columns=columns)
    assert group_pairs(scores, ["light"]).tolist() == [["day", "day"], ["night", "night"], ["day", "day"]]
    assert group_pairs(scores, ["age"]).tolist() == [["old", "old"], ["old", "young"], ["young", "unknown"]]
    assert group_pairs(scores, ["age1"]).tolist() == [["old", "old"], ["old", "old"], ["young", "young"]]


def test_photos_are_told_apart_by_their_detector_and_by_what_their_names_begin_with(make_scores):
    scores = make_scores(["a"], 3, lambda i, j: 1, detectors=["hog", "cnn", ""], problems={2: "no face"})
    assert group_pairs(scores, ["detector"]).tolist() == [["hog", "cnn"], ["hog", "no face"], ["cnn", "no face"]]
    assert group_pairs(scores, ["prefix"])[0].tolist() == ["profile", "frontal"]


@pytest.fixture
def errors_by_prefix(make_scores, model):
    """Twelve people with twelve photos each, half of them profiles; distances at random, some missing."""
    random = np.random.default_rng(0)
    drawn = {pair: random.uniform(0, 0.5) if random.random() < 0.9 else np.nan for pair in combinations(range(144), 2)}
    scores = make_scores([f"p{i:02}" for i in range(12)], 12, lambda i, j: drawn[i, j])
    return scores, measure_groups(scores, model.info, ["prefix"])


def test_rates_are_those_of_a_plain_loop_within_groups_and_across(errors_by_prefix, model):
    scores, report = errors_by_prefix
    assert [point.name for point in report.points] == [point.name for point in model.info.operating_points]
    pairs, files = scores.protocol.pairs, scores.protocol.source.dataset.photos
    for at in report.points:
        counts = {}
        for i in range(len(pairs)):
            kinds = sorted(files[photo].split("/")[1].split("_")[0] for photo in (pairs.first[i], pairs.second[i]))
            name = kinds[0] if kinds[0] == kinds[1] else f"{kinds[0]} × {kinds[1]}"
            errors = counts.setdefault((name, bool(pairs.same[i])), [0, 0])
            errors[1] += 1
            errors[0] += (scores.distances[i] < at.threshold) != pairs.same[i]
        measured = {
            (group.group, same): rate for group in at.groups for same, rate in ((0, group.fmr), (1, group.fnmr))
        }
        assert {key: [rate.errors, rate.pairs] for key, rate in measured.items()} == counts
        assert all(rate.rate == rate.errors / rate.pairs for rate in measured.values())
        assert [group.people for group in at.groups] == [12, 12, 12]
        assert [group.across for group in at.groups] == [False, False, True]


def test_the_ratio_is_the_worst_groups_rate_by_the_best_groups(errors_by_prefix):
    _, report = errors_by_prefix
    for at in report.points:
        rates = [group.fnmr.rate for group in at.groups]  # across, too: these groups share people
        assert at.fnmr_ratio.ratio == pytest.approx(max(rates) / min(rates))
        assert not at.fnmr_ratio.at_least
        assert {group.group: group.fnmr.rate for group in at.groups}[at.fnmr_ratio.worst] == max(rates)


@pytest.fixture
def unequal(make_scores, tmp_path, model):
    """Sixteen women of whom two are taken for each other, sixteen men who never are, one who is neither."""
    names = [f"{i:02}" for i in range(33)]
    genders = ["female"] * 16 + ["male"] * 16 + ["other"]
    with open(tmp_path / "people.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("identity", "gender"), *zip(names, genders, strict=True)])
    return measure_groups(
        make_scores(names, 2, lambda i, j: 0.1 if (i // 2, j // 2) == (0, 1) else 1), model.info, ["gender"]
    )


def test_where_the_best_group_shows_no_error_the_ratio_is_a_bound(unequal):
    at = unequal.points[0]
    women, men = at.groups[:2]
    assert (women.fmr.errors, women.fmr.pairs, men.fmr.errors) == (4, 480, 0)
    assert men.fmr.interval == wilson_interval(0, 480)
    assert at.fmr_ratio.at_least
    assert at.fmr_ratio.ratio == pytest.approx((4 / 480) / wilson_interval(0, 480)[1])
    assert (at.fmr_ratio.worst, at.fmr_ratio.best) == ("female", "male")
    assert "max/min ratio of FMR between groups: at least 1.0 (female to male)" in groups_text(unequal)


def test_there_is_no_ratio_where_no_error_is_seen_or_the_bound_says_nothing(unequal, make_scores, model, tmp_path):
    assert unequal.points[0].fnmr_ratio is None  # too few genuine pairs
    (tmp_path / "people.csv").write_text("identity,half\n" + "".join(f"{i:02},{i < 16}\n" for i in range(32)))
    names = [f"{i:02}" for i in range(32)]
    nobody = measure_groups(make_scores(names, 2, lambda i, j: 1), model.info, ["half"])
    once = measure_groups(make_scores(names, 2, lambda i, j: 0.1 if (i, j) == (0, 2) else 1), model.info, ["half"])
    assert [report.points[0].fmr_ratio for report in (nobody, once)] == [None, None]
    assert once.points[0].groups[1].fmr.errors == 1


def test_a_rate_of_too_few_pairs_is_not_stated(unequal):
    alone = unequal.points[0].groups[2]
    assert (alone.group, alone.people, alone.fmr.rate, alone.fnmr.interval) == ("other", 1, None, None)
    text = groups_text(unequal)
    assert "too few pairs to say (16)" in text  # genuine pairs of the women
    assert "too few pairs to say (0)" in text  # impostor pairs of the one


def test_pairs_of_three_groups_of_people_are_told_apart_and_of_more_are_not(unequal, make_scores, tmp_path, model):
    names = [group.group for group in unequal.points[0].groups]
    assert names == ["female", "male", "other", "female × male", "female × other", "male × other"]
    (tmp_path / "people.csv").write_text("identity,gender\n" + "".join(f"{i},g{i}\n" for i in range(4)))
    report = measure_groups(make_scores(list("0123"), 2, lambda i, j: 1), model.info, ["gender"])
    assert [group.group for group in report.points[0].groups] == ["g0", "g1", "g2", "g3", "across groups"]
    assert report.points[0].groups[-1].fmr.pairs == 24


def test_more_than_fifty_groups_are_refused(make_scores, tmp_path, model):
    (tmp_path / "people.csv").write_text("identity,age\n" + "".join(f"{i:02},{i}\n" for i in range(51)))
    scores = make_scores([f"{i:02}" for i in range(51)], 1, lambda i, j: 1)
    with pytest.raises(FaceSimError, match="--by age makes 51 groups"):
        measure_groups(scores, model.info, ["age"])


@pytest.mark.parametrize("content", [b"name,gender\nAna,female\n", b"identity,gender\n\xff\xfe,x\n"])
def test_a_people_csv_that_makes_no_sense_is_refused(make_scores, tmp_path, refuses, content):
    (tmp_path / "people.csv").write_bytes(content)
    with refuses(tmp_path / "people.csv"):
        group_pairs(make_scores(["a", "b"], 1, lambda i, j: 1), ["gender"])
