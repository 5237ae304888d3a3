import json
import os
import shutil
from pathlib import Path

import pytest

from facesim.data.kept import clear, kept
from facesim.model import Model

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def cache() -> Path:
    """The user's cache, with files of every kind, and with what is the user's own."""
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "facesim"
    for name in ("lfw/Ana/1.jpg", "lfw-protocol/pairs.txt", "benchmarks/python", "pins/Bo/1.jpg"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(bytes(1000))
    return cache


@pytest.fixture
def photos(tmp_path, hopper, collins) -> Path:
    for name, source in (("grace/1.jpg", hopper), ("eileen/1.jpg", collins), ("eileen/again.jpg", collins)):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_what_is_kept_is_listed_with_its_size_and_place(run, cache, photos):
    assert run("inspect", photos)[0] == 0
    status, printed, _ = run("cache", "--json")
    told = json.loads(printed)
    crop = 252 * 252 * 3
    kinds = [(row["kind"], row["files"]) for row in told["kept"]]
    assert kinds == [("crops", 2), ("embeddings", 0), ("lfw", 2), ("benchmarks", 1)]
    assert 2 * crop < told["kept"][0]["bytes"] < 2 * crop + 100
    assert told["bytes"] == sum(row["bytes"] for row in told["kept"]) == told["kept"][0]["bytes"] + 3000
    assert told["kept"][0]["path"] == str(cache / "crops")
    lines = run("cache")[1].splitlines()
    assert lines[0].split()[:5] == ["crops", "2", "files", "0.4", "MB"]
    assert "in all 0.4 MB" in lines
    assert status == 0


def test_embeddings_are_listed_by_network_and_cleared(run, cache, copy_people, model, write_model):
    people, tiny = copy_people(2, 2), Model(write_model())
    for opened in (model, tiny):
        assert run("map", people, "-w", opened.path)[0] == 0
    listed = {one.path: one.bytes for one in kept(("embeddings",))}
    record = 36  # bytes beside each embedding
    assert listed == {
        cache / "embeddings" / opened.fingerprint: 4 * (4 * opened.embedding_size + record) for opened in (model, tiny)
    }
    assert model.fingerprint in run("cache")[1]
    assert run("cache", "embeddings", "--clear")[0] == 0
    assert [one.files for one in kept(("crops", "embeddings"))] == [4, 0]


def test_evaluating_cuts_the_photos_of_its_pairs_only(run, copy_people, cache):
    people = copy_people(8, 3)
    for i, folder in enumerate(sorted(people.iterdir())):  # under names of people whom no model has seen
        folder.rename(people / f"Person {i}")
    assert run("evaluate", "--data", people, "--count", 2)[0] == 0
    assert 4 <= kept(("crops",))[0].files <= 8


def test_clearing_deletes_what_can_be_made_again_and_nothing_else(run, cache, photos):
    run("inspect", photos)
    assert "freed 0.4 MB" in run("cache", "crops", "--clear")[1]
    assert [one.files for one in kept()] == [0, 0, 2, 1]
    assert run("inspect", photos)[0] == 0
    assert json.loads(run("cache", "--clear", "--json")[1])["bytes"] > 380_000
    assert [one.files for one in kept()] == [0, 0, 0, 0]
    assert [path.relative_to(cache) for path in cache.rglob("*") if path.is_file()] == [Path("pins/Bo/1.jpg")]
    assert len(list(photos.rglob("*.jpg"))) == 3


def test_what_a_link_leads_to_is_the_users_own(cache, tmp_path):
    (cache / "lfw").rename(tmp_path / "mine")
    (cache / "lfw").symlink_to(tmp_path / "mine")
    assert [one.files for one in clear(("lfw",))] == [1]
    assert (tmp_path / "mine" / "Ana" / "1.jpg").is_file()


def test_a_kind_that_is_not_kept_is_refused(run, cache):
    status, _, said = run("cache", "galleries", "--clear")
    kinds = "crops, embeddings, lfw, benchmarks"
    assert (status, said) == (2, f"facesim: galleries is nothing that facesim keeps: it keeps {kinds}.\n")
    assert (cache / "benchmarks" / "python").exists()
