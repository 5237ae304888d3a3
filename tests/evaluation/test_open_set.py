import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from facesim.data.exclusions import FILE_NAME
from facesim.errors import FaceSimError
from facesim.evaluation.charts import draw_identification
from facesim.evaluation.formatting import as_dict
from facesim.evaluation.identification import Identification, nearest_enrolled, search_rates
from facesim.evaluation.open_set import PROBES_EACH, sample_open_set
from facesim.evaluation.text import identification_text
from facesim.evaluation.uncertainty import bootstrap_by_identity, wilson_interval
from facesim.model_info import OperatingPoint

SEVERAL = {f"several_{i}": 2 + 3 * i for i in range(6)}  # people and how many photos they have
SINGLE = {f"single_{i}": 1 for i in range(5)}
SEEN = {"trained_0": 1, "trained_1": 40, "trained_2": 2, "chose_0": 3}


@pytest.fixture
def write_people(tmp_path):
    """Make a folder of people, each with so many photos, that hold no pictures."""

    def write(people):
        for name, count in people.items():
            (tmp_path / "photos" / name).mkdir(parents=True)
            for i in range(count):
                (tmp_path / "photos" / name / f"{i}.jpg").touch()
        return (str(tmp_path / "photos"),)

    return write


@pytest.fixture
def info(model):
    """What a model file says of itself that was trained on three people, and its threshold chosen on a fourth."""
    seen = {"train_identities": ["trained_0", "trained_1", "trained_2"], "validation_identities": ["chose_0"]}
    return dataclasses.replace(model.info, trained_on={"data": "elsewhere", **seen})


def names_of(open_set, photos):
    return open_set.source.dataset.identities[photos].tolist()


def photos_of(open_set):
    return [photos.tolist() for photos in (open_set.enrolled, open_set.mated, open_set.non_mated)]


def test_people_with_several_photos_are_enrolled_and_those_with_one_are_unknown(info, write_people):
    open_set = sample_open_set(info, write_people(SEVERAL | SINGLE | SEEN))
    assert sorted(names_of(open_set, open_set.enrolled)) == sorted(SEVERAL)
    assert sorted(names_of(open_set, open_set.non_mated)) == sorted(SINGLE)
    others = {name: min(count - 1, PROBES_EACH) for name, count in SEVERAL.items()}
    assert Counter(names_of(open_set, open_set.mated)) == others
    assert (open_set.seen, open_set.left_out, open_set.most_each) == (0, 0, PROBES_EACH)
    assert open_set.name == "photos, people it never saw, drawn with seed 0"


@pytest.mark.parametrize("options", [{}, {"probes": 9}, {"enrolled": 7}, {"probes": 1000, "enrolled": 8}])
@pytest.mark.parametrize("people", [SEVERAL | SINGLE | SEEN, SEVERAL | {"single": 1} | SEEN])
def test_no_photo_has_two_roles_and_nobody_unknown_is_enrolled(info, write_people, people, options):
    open_set = sample_open_set(info, write_people(people), **options, seed=3)
    enrolled, mated, non_mated = photos_of(open_set)
    every = enrolled + mated + non_mated
    assert len(set(every)) == len(every)
    enrolled, mated, non_mated = (names_of(open_set, photos) for photos in (enrolled, mated, non_mated))
    assert len(set(enrolled)) == len(enrolled)
    assert set(mated) <= set(enrolled)
    assert not set(non_mated) & set(enrolled)
    assert not {*mated, *non_mated} & set(SEEN)
    assert len(enrolled) == options.get("enrolled", len(set(enrolled) - set(SEEN)))
    assert open_set.seen == len(set(enrolled) & set(SEEN))


@pytest.mark.parametrize(
    ("several", "single", "known", "left_out"),
    [(30, 0, 15, 15), (7, 0, 4, 3), (9, 4, 7, 2), (8, 4, 8, 0), (2, 0, 1, 1)],
)
def test_where_few_are_unknown_people_are_left_out_of_the_gallery(info, write_people, several, single, known, left_out):
    people = {f"a{i}": 8 for i in range(several)} | {f"b{i}": 1 for i in range(single)}
    open_set = sample_open_set(info, write_people(people))
    assert (len(open_set.enrolled), open_set.left_out) == (known, left_out)
    assert set(Counter(names_of(open_set, open_set.mated)).values()) == {PROBES_EACH}
    of_unknown = Counter(names_of(open_set, open_set.non_mated))
    assert Counter(of_unknown.values()) == Counter({PROBES_EACH: left_out, 1: single} if single else {5: left_out})
    assert open_set.name == "photos, all its people, drawn with seed 0"


def test_the_seed_draws_everything_and_draws_it_again(info, write_people):
    data = write_people({f"a{i}": 6 for i in range(20)} | SEEN)
    first, again, other = (sample_open_set(info, data, 12, 20, seed) for seed in (1, 1, 2))
    assert photos_of(first) == photos_of(again)
    assert all(mine != yours for mine, yours in zip(photos_of(first), photos_of(other), strict=True))
    assert set(names_of(first, first.non_mated)) != set(names_of(other, other.non_mated))


def test_a_larger_gallery_meets_the_same_probes(info, write_people):
    data = write_people(SEVERAL | SINGLE | SEEN)
    small, large = sample_open_set(info, data), sample_open_set(info, data, enrolled=10)
    assert photos_of(large)[1:] == photos_of(small)[1:]
    assert photos_of(large)[0][:6] == photos_of(small)[0]
    assert set(names_of(large, large.enrolled)) == set(SEVERAL | SEEN)
    assert (small.seen, large.seen) == (0, 4)
    fillers = [
        names_of(drawn, drawn.enrolled[6:]) for drawn in (sample_open_set(info, data, 7, seed=i) for i in range(9))
    ]
    assert len(np.unique(fillers)) > 1


def test_probes_are_half_of_each_kind_and_dealt_out_in_rounds(info, write_people):
    open_set = sample_open_set(info, write_people(SEVERAL | SINGLE | SEEN), probes=31)
    mated = names_of(open_set, open_set.mated)
    assert len(mated) == 15
    assert set(mated[:6]) == set(SEVERAL)
    assert set(mated[6:11]) == set(mated[:6]) - {"several_0"}  # whose other photo is used up
    assert len(set(mated[11:])) == 4
    assert len(open_set.non_mated) == 5  # all there are: the other kind does not fill up
    assert open_set.most_each is None


def test_who_has_many_photos_is_no_likelier_to_come_first(info, write_people):
    data = write_people({"a": 40} | {f"b{i}": 2 for i in range(9)} | SINGLE)
    sets = [sample_open_set(info, data, probes=2, seed=seed) for seed in range(60)]
    assert sum(names_of(open_set, open_set.mated) == ["a"] for open_set in sets) < 20  # of 60, one in ten by chance


def test_all_probes_may_be_asked_for(info, write_people):
    open_set = sample_open_set(info, write_people(SEVERAL | SINGLE), probes=10_000)
    assert len(open_set.mated) == sum(SEVERAL.values()) - len(SEVERAL)


def test_whoever_is_in_two_data_sets_is_one_person(info, write_people, tmp_path):
    (later,) = write_people({"x": 1, "y": 4, "z": 1})
    for name in ("a", "b", "z"):
        (tmp_path / "others" / name).mkdir(parents=True)
        (tmp_path / "others" / name / "0.jpg").touch()
    open_set = sample_open_set(info, (later, str(tmp_path / "others")))
    assert sorted(names_of(open_set, open_set.enrolled)) == ["y", "z"]
    assert sorted(names_of(open_set, open_set.mated)) == ["y", "y", "y", "z"]
    assert sorted(names_of(open_set, open_set.non_mated)) == ["a", "b", "x"]


def test_photos_on_the_exclusion_list_have_no_role(info, write_people, tmp_path):
    data = write_people(SEVERAL | SINGLE)
    (tmp_path / "photos" / FILE_NAME).write_text("several_0/0.jpg\tblurred\nsingle_0/0.jpg\tblurred\n")
    open_set = sample_open_set(info, data)
    assert "several_0" not in names_of(open_set, open_set.enrolled)  # one photo is left, of somebody unknown
    assert Counter(names_of(open_set, open_set.non_mated)) == Counter([*list(SINGLE)[1:], "several_0"])


@pytest.mark.parametrize(
    ("people", "options", "said"),
    [
        (SEVERAL | SINGLE | SEEN, {"enrolled": 5}, "5 people cannot be enrolled: the 6 who have mated probes must be"),
        (SEVERAL | SINGLE | SEEN, {"enrolled": 11}, "has 4 further people"),
        (SEVERAL, {"enrolled": 4}, "has 0 further people"),
        (SEVERAL, {"probes": 1}, "1 probes are too few"),
        ({"one": 9, "trained_0": 5}, {}, "1 people whom the model has not seen, 1 of them with two photos"),
        (SINGLE | SEEN, {}, "5 people whom the model has not seen, 0 of them with two photos"),
        (SEEN, {}, "0 people whom the model has not seen"),
    ],
)
def test_what_cannot_be_drawn_is_refused(info, write_people, people, options, said):
    with pytest.raises(FaceSimError, match=said) as caught:
        sample_open_set(info, write_people(people), **options)
    assert str(caught.value).endswith(".")


def nearest_in_a_loop(enrolled, probes, own):
    found = []
    for probe, mine in zip(probes, own, strict=True):
        distances = [math.dist(probe, face) for face in enrolled]
        near = [math.inf if math.isnan(distance) else distance for distance in distances]
        if mine < 0:
            found.append(min(near))
        else:
            others = [distance for row, distance in enumerate(near) if row != mine]
            found.append(near[mine] if all(near[mine] < other for other in others) else math.inf)
    return found


@pytest.mark.parametrize(("gallery", "probes"), [(1, 30), (2, 5), (20, 1), (40, 600)])
def test_the_nearest_enrolled_is_that_of_a_plain_loop(gallery, probes):
    random = np.random.default_rng(gallery)
    enrolled, faces = (random.integers(-1, 2, (n, 3)).astype(np.float32) for n in (gallery, probes))  # many ties
    enrolled[random.random(gallery) < 0.2] = np.nan
    faces[random.random(probes) < 0.2] = np.nan
    own = random.integers(-1, gallery, probes)
    assert nearest_enrolled(enrolled, faces, own).tolist() == pytest.approx(nearest_in_a_loop(enrolled, faces, own))


def test_a_mated_probe_is_found_only_where_its_own_person_is_nearer_than_everybody():
    enrolled = np.array([[0.0, 0], [1, 0], [np.nan, np.nan]])
    probes = np.array([[0.1, 0], [0.6, 0], [0.5, 0], [0.5, 0], [np.nan, 0], [0.2, 0], [0.2, 0]])
    own = np.array([0, 0, 0, -1, 0, 2, -1])  # right, wrong, a tie, a stranger, no face, no face enrolled, a stranger
    expected = [0.1, np.inf, np.inf, 0.5, np.inf, np.inf, 0.2]
    np.testing.assert_allclose(nearest_enrolled(enrolled, probes, own), expected)


@pytest.fixture
def placed(info):
    """Probes with distances drawn by chance, some infinite, and a model file with two more thresholds."""
    random = np.random.default_rng(0)
    nearest, mated = random.integers(1, 60, 500) / 50, np.arange(500) < 220  # many are equal
    nearest[random.random(500) < 0.1] = np.inf
    stored = (("best", 0.5), ("strict", 0.3), ("lax", 0.50001), ("strict too", 0.3))
    points = tuple(OperatingPoint(name, threshold, 0, 0, 1, 1) for name, threshold in stored)
    return nearest, mated, np.arange(500) // 4, dataclasses.replace(info, threshold=0.5, operating_points=points)


def rates_in_a_loop(nearest, mated, threshold):
    """Count false positives and misses at a threshold."""
    positives = misses = 0
    for distance, is_mated in zip(nearest.tolist(), mated.tolist(), strict=True):
        if is_mated and not distance < threshold:
            misses += 1
        if not is_mated and distance < threshold:
            positives += 1
    return positives, misses


def test_rates_are_those_of_a_plain_loop(placed):
    nearest, mated, _, _ = placed
    rates = search_rates(*placed)
    assert rates.rank1 == sum(distance < math.inf for distance in nearest[:220]) / 220
    assert [(at.threshold, at.name) for at in rates.points] == [
        (0.5, "the model's own, best, lax"),
        (0.3, "strict, strict too"),
    ]
    for at in rates.points:
        positives, misses = rates_in_a_loop(nearest, mated, at.threshold)
        assert (at.false_positives, at.misses) == (positives, misses)
        assert (at.fpir, at.fnir) == (positives / 280, misses / 220)
    for threshold, fpir, fnir in zip(rates.curve.thresholds, rates.curve.fpir, rates.curve.fnir, strict=True):
        positives, misses = rates_in_a_loop(nearest, mated, threshold)
        assert (fpir, fnir) == (positives / 280, misses / 220)
    assert (rates.curve.fpir[0], rates.curve.fnir[0]) == (0, 1)
    assert rates.curve.fnir[-1] == pytest.approx(1 - rates.rank1)


def test_fnir_at_an_fpir_is_that_of_the_largest_threshold_that_keeps_to_it(placed):
    nearest, mated, _, _ = placed
    at = search_rates(*placed).fnir_at_fpir
    assert at[0.01] is None  # of 280 non-mated probes
    candidates = sorted(set(nearest[~mated].tolist()))
    largest = max(t for t in candidates if rates_in_a_loop(nearest, mated, t)[0] <= 0.1 * 280)
    assert at[0.1].threshold == largest
    assert at[0.1].misses == rates_in_a_loop(nearest, mated, largest)[1]
    assert at[0.1].fnir == at[0.1].misses / 220


def test_every_interval_holds_its_rate(placed):
    rates = search_rates(*placed)
    pairs = [(rates.rank1, rates.rank1_interval), (rates.fnir_at_fpir[0.1].fnir, rates.fnir_at_fpir[0.1].fnir_interval)]
    for at in rates.points:
        pairs += [(at.fpir, at.fpir_interval), (at.fnir, at.fnir_interval)]
    assert all(low < rate < high for rate, (low, high) in pairs)


def test_a_person_who_is_always_missed_counts_as_one_not_as_many(info):
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 50)
    mated = people < 10
    of_person = np.where(np.isin(people, [0, 1, 2]), np.inf, 0.1)  # three of ten are never found
    by_chance = np.where(random.permutation(len(people)) < 300, np.inf, 0.1)
    clustered, scattered = (
        np.ptp(search_rates(nearest, mated, people, info).rank1_interval) for nearest in (of_person, by_chance)
    )
    assert clustered > 4 * scattered


def test_where_nobody_is_missed_the_interval_is_wilsons_over_people(info):
    people = np.repeat(np.arange(20), 5)
    rates = search_rates(np.where(people < 6, 0.0, 1.9), people < 6, people, info)
    assert (rates.rank1, rates.rank1_interval) == (1, wilson_interval(6, 6))
    assert (rates.points[0].fpir, rates.points[0].fpir_interval) == (0, wilson_interval(0, 14))
    assert (rates.rank1_interval[1], rates.points[0].fpir_interval[0]) == (1, 0)  # exactly
    assert (rates.points[0].fnir, rates.points[0].fnir_interval) == (0, wilson_interval(0, 6))


def test_a_probe_is_drawn_as_often_as_its_person():
    drawn = bootstrap_by_identity(
        np.ones(40),
        np.arange(40) < 20,
        np.arange(40),
        lambda drawn: {"probes": len(drawn.genuine) + len(drawn.impostor)},
    )
    assert drawn == {"probes": (40, 40)}


@pytest.fixture
def found(placed):
    rates = search_rates(*placed)
    return Identification(
        protocol="photos $x^2$, all its people",
        model="/models/Ä$_b$.onnx",
        seed=0,
        enrolled=100,
        enrolled_seen=45,
        enrolled_without_face=3,
        default_threshold=0.3,
        mated=220,
        mated_people=55,
        mated_without_face=2,
        mated_not_enrolled=1,
        non_mated=280,
        non_mated_people=70,
        non_mated_without_face=4,
        left_out=12,
        most_each=5,
        rates=rates,
    )


def test_the_text_says_who_came_and_what_was_found(found):
    lines = identification_text(found).splitlines()
    assert "enrolled      100 people, one photo each; the model has seen 45 of them, who have no probes" in lines
    assert "mated         220 probes of 55 of those enrolled, 5 of each at most" in lines
    assert (
        "non-mated     280 probes of 70 people not enrolled; 12 of them have several photos (drawn at random)" in lines
    )
    assert "FNIR at FPIR 1 %    too few to say: 280 non-mated probes, 1,000 are needed" in lines
    assert any(line.startswith("0.5000      ") and line.endswith("the model's own, best, lax") for line in lines)
    assert [line for line in lines if "identify's default" in line] == [line for line in lines if "strict too" in line]
    assert "in 3 of the enrolled photos, 2 of the mated probes (missed), 4 of the non-mated" in lines[-2]
    assert lines[-1].strip() == "1 more probe missed: the enrolled photo of that person shows no face"


def test_nothing_that_json_lacks_is_in_the_dictionary(found):
    told = as_dict(found)
    assert told["rates"]["fnir_at_fpir"]["0.01"] is None
    assert len(told["rates"]["curve"]["fnir"]) == len(told["rates"]["curve"]["thresholds"])
    assert told["rates"]["points"][0]["misses"] == found.rates.points[0].misses


def test_the_chart_can_be_drawn_of_much_and_of_next_to_nothing(found, info):
    many = tuple(OperatingPoint("_$x$ " * 100, i / 20, 0, 0, 1, 1) for i in range(30))
    info = dataclasses.replace(info, operating_points=many)
    one = search_rates(np.array([0.1, np.inf]), np.array([True, False]), np.arange(2), info)
    for rates, count in ((found.rates, 220), (one, 1)):
        drawn = dataclasses.replace(found, rates=rates, mated=count, non_mated=count, protocol="a\n" * 300)
        picture = draw_identification(drawn)
        assert isinstance(picture, Image.Image)
        assert len(picture.convert("L").getcolors()) > 20
