import csv
import dataclasses
import unicodedata

import numpy as np
import pytest

from facesim.data.dataset import Dataset
from facesim.data.lfw import find_lfw, find_view1
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import open_protocol, people_seen, read_pairs

HEADER = ("photo1", "photo2", "same")


def told(model, **trained_on):
    """What a model file says of itself, had it been trained so."""
    return dataclasses.replace(model.info, trained_on=trained_on)


@pytest.fixture
def people(tmp_path):
    """A folder of ten people with four photos each, that hold no pictures."""
    for i in range(10):
        (tmp_path / "photos" / f"person_{i}").mkdir(parents=True)
        for j in range(4):
            (tmp_path / "photos" / f"person_{i}" / f"{j}.jpg").touch()
    return str(tmp_path / "photos")


@pytest.fixture
def write_csv(tmp_path, hopper, collins):
    """Write a list of pairs beside two photos that are called a.jpg and "b, c.jpg"."""
    (tmp_path / "a.jpg").write_bytes(hopper.read_bytes())
    (tmp_path / "b, c.jpg").write_bytes(collins.read_bytes())

    def write(*rows, header=HEADER):
        with open(tmp_path / "pairs.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])
        return tmp_path / "pairs.csv"

    return write


def names_in(protocol):
    return set(protocol.source.dataset.identities[protocol.pairs.photos()].tolist())


def test_by_default_lfws_own_pairs_of_the_people_that_the_file_names(model, lfw_by_name):
    protocol = open_protocol(model.info)
    assert protocol.name == "lfw, official folds 9, 10"
    assert names_in(protocol) == set(model.info.trained_on["test_identities"])
    assert (len(protocol.pairs), protocol.people) == (1200, 890)


def test_a_count_draws_pairs_among_the_same_people_by_seed(model, lfw_by_name):
    protocol = open_protocol(model.info, count=1500, seed=1)
    assert (protocol.pairs.same.sum(), (~protocol.pairs.same).sum()) == (1500, 1500)
    assert names_in(protocol) <= set(model.info.trained_on["test_identities"])
    assert np.array_equal(protocol.pairs.first, open_protocol(model.info, count=1500, seed=1).pairs.first)
    assert not np.array_equal(protocol.pairs.first, open_protocol(model.info, count=1500, seed=2).pairs.first)


def test_a_folder_gives_pairs_of_people_that_no_model_saw(model, people):
    unseen = told(model, data="photos", test_identities=[f"person_{i}" for i in range(6)])
    other = told(model, data="elsewhere", train_identities=["person_0"], validation_identities=["person_1"])
    assert len(names_in(open_protocol(told(model), (people,)))) == 10
    assert names_in(open_protocol(unseen, (people,))) == {f"person_{i}" for i in range(6)}
    assert names_in(open_protocol(unseen, (people,), also=(other,))) == {f"person_{i}" for i in range(2, 6)}
    with pytest.raises(FaceSimError, match="holds 0 people whom the model has not seen"):
        open_protocol(told(model, data="photos", train_identities=[f"person_{i}" for i in range(10)]), (people,))


@pytest.mark.parametrize("view", ["1", "2"])
def test_there_is_no_figure_for_a_view_whose_people_the_model_saw(model, lfw_by_name, view):
    with pytest.raises(FaceSimError, match=f"no figure for LFW View {view}"):
        open_protocol(model.info, view=view)
    one = told(model, data="web", train_identities=["Aaron_Sorkin", "Zico"], validation_identities=["nobody"])
    with pytest.raises(FaceSimError, match="of its"):
        open_protocol(one, view=view)


def test_view_2_is_ten_folds_of_pairs_one_after_another(model, lfw_by_name, data_home):
    protocol = open_protocol(told(model, data="pins", train_identities=["Adriana_Lima"]), view="2")
    _, folds = find_lfw(data_home)
    assert (len(protocol.pairs), protocol.people) == (6000, 4281)
    for fold, pairs in enumerate(folds):
        assert np.array_equal(protocol.pairs.first[protocol.folds == fold], pairs.first)
        assert np.array_equal(protocol.pairs.same[protocol.folds == fold], pairs.same)


def test_view_1_is_tested_on_a_thousand_pairs_and_chosen_on_others_of_other_people(model, lfw_by_name, data_home):
    protocol = open_protocol(told(model), view="1")
    dataset, _ = find_lfw(data_home)
    choosing, testing = find_view1(dataset, data_home)
    assert (len(protocol.development), protocol.development.same.sum()) == (2200, 1100)
    assert (len(protocol.pairs), protocol.pairs.same.sum()) == (1000, 500)
    assert np.array_equal(protocol.pairs.second, testing.second)
    identities = dataset.identities
    assert not set(identities[choosing.photos()]) & set(identities[testing.photos()])
    same = identities[testing.first] == identities[testing.second]
    assert np.array_equal(same, testing.same)


def test_a_view_is_lfws_and_a_list_of_pairs_says_all(model, write_csv, people):
    with pytest.raises(FaceSimError, match="View 2 is one of LFW's"):
        open_protocol(told(model), (people,), view="2")
    with pytest.raises(FaceSimError, match="leave out"):
        open_protocol(told(model), (people,), pairs=write_csv(("a.jpg", "a.jpg", 1)))


def test_a_file_that_does_not_name_its_training_people_has_seen_all_but_its_test_people(model):
    dataset = Dataset("lfw", None, (), np.array(["a", "b", "c"]))
    stranger = Dataset("web", None, (), np.array(["x", "y"]))
    info = told(model, data="lfw+pins", test_identities=["a"], validation_identities=["b"])
    assert people_seen(info, dataset) == {"b", "c"}
    assert people_seen(info, stranger) == set()


def test_people_are_known_by_name_in_any_folder(model):
    trained, tested = (model.info.trained_on[f"{part}_identities"][0] for part in ("train", "test"))
    photos = Dataset("photos", None, (), np.array([trained, tested, "nobody"]))
    assert people_seen(model.info, photos) == {trained}


def test_a_person_whom_a_model_has_seen_is_known_however_the_name_is_spelled(model):
    info = told(model, data="web", train_identities=[unicodedata.normalize("NFD", "ZOË_Li")], test_identities=["Bo"])
    assert people_seen(info, Dataset("photos", None, (), np.array(["Zoë_Li", "bo"]))) == {"Zoë_Li"}


def test_what_a_model_was_begun_from_has_seen_it_has_seen(model):
    dataset = Dataset("lfw", None, (), np.array(["a", "b", "c", "d"]))
    first = {"data": "lfw", "train_identities": ["a"], "validation_identities": ["b"]}
    second = {"data": "pins", "train_identities": ["x"], "begun_from": first}
    assert people_seen(told(model, data="web", train_identities=["d"], begun_from=second), dataset) == {"a", "b", "d"}


def test_a_count_is_of_pairs_that_are_drawn(model, write_csv):
    with pytest.raises(FaceSimError, match="leave out their count"):
        open_protocol(told(model), pairs=write_csv(("a.jpg", "a.jpg", 1)), count=10)
    with pytest.raises(FaceSimError, match="leave out their count"):
        open_protocol(told(model), view="2", count=10)


def test_pairs_are_read_from_a_list(write_csv, tmp_path):
    path = write_csv((1, "a.jpg", "b, c.jpg"), ("no", tmp_path / "a.jpg", "a.jpg"), header=("same", "photo1", "photo2"))
    protocol = read_pairs(path)
    photos = np.array(protocol.source.dataset.photos)
    assert photos[protocol.pairs.first].tolist() == ["a.jpg", str(tmp_path / "a.jpg")]
    assert photos[protocol.pairs.second].tolist() == ["b, c.jpg", "a.jpg"]
    assert protocol.pairs.same.tolist() == [True, False]
    assert protocol.people is None
    assert all(path.is_file() for path in protocol.source.dataset.paths())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a.jpg", "nowhere.jpg", 1)], "line 2: nowhere.jpg is not there"),
        ([("a.jpg", "a.jpg", 1), ("a.jpg", "b, c.jpg", "perhaps")], "line 3: same must be 1 or 0, not 'perhaps'"),
        ([("a.jpg",)], "line 2: a photo is not there"),
        ([], "holds no pairs"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(write_csv, refuses, rows, said):
    path = write_csv(*rows)
    with refuses(path) as caught:
        read_pairs(path)
    assert said in str(caught.value)


def test_a_list_without_its_header_or_in_no_text_is_refused(write_csv, refuses):
    path = write_csv(("a.jpg", "a.jpg", 1), header=("a", "b", "c"))
    with refuses(path):
        read_pairs(path)
    path.write_bytes(b"photo1,photo2,same\n\xff\xfe,a.jpg,1\n")
    with refuses(path):
        read_pairs(path)


def test_all_pairs_of_unseen_people_are_taken_where_they_are_at_most_a_million(model, people, monkeypatch):
    info = told(model, data="photos", test_identities=[f"person_{i}" for i in range(6)])
    protocol = open_protocol(info, (people,), every_pair=True)
    assert (len(protocol.pairs), protocol.pairs.same.sum(), protocol.seed) == (24 * 23 / 2, 6 * 6, None)
    assert names_in(protocol) == {f"person_{i}" for i in range(6)}
    assert len(open_protocol(info, (people,), count=10, every_pair=True).pairs) == 20
    monkeypatch.setattr("facesim.evaluation.protocol.MAX_PAIRS", 275)
    monkeypatch.setattr("facesim.evaluation.protocol.MANY", 20)
    assert len(open_protocol(info, (people,), every_pair=True).pairs) == 40


def test_what_else_a_list_says_of_its_pairs_is_kept(write_csv):
    protocol = read_pairs(write_csv(("a.jpg", "b, c.jpg", 0, " old "), ("a.jpg", "a.jpg", 1), header=(*HEADER, "age")))
    assert {name: values.tolist() for name, values in protocol.columns.items()} == {"age": ["old", ""]}
