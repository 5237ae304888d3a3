import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facesim.data.cache import cached_crops
from facesim.data.dataset import read_folder
from facesim.data.embedding_store import EmbeddingStore, crop_digest, embeddings_home
from facesim.detector.crop import centre_crop
from facesim.detector.selection import find_main_face
from facesim.evaluation import scoring
from facesim.evaluation.explore.map import map_photos
from facesim.evaluation.explore.neighbours import find_neighbours
from facesim.evaluation.identification import identify
from facesim.evaluation.open_set import sample_open_set
from facesim.evaluation.scoring import embed_crops
from facesim.model import Model

pytestmark = pytest.mark.usefixtures("own_folders")


@pytest.fixture
def embedded(monkeypatch):
    """How many crops each call of a network has embedded."""
    counts, embed = [], Model.embed

    def count(model, crops):
        counts.append(len(crops))
        return embed(model, crops)

    monkeypatch.setattr(Model, "embed", count)
    return counts


@pytest.fixture
def photos(tmp_path, hopper, collins) -> Path:
    """Eileen, Grace, Grace's print, and Eileen under Grace's name."""
    for name, source in (
        ("eileen/1.jpg", collins),
        ("grace/1.jpg", hopper),
        ("grace/2.jpg", hopper.with_name("grace_hopper_print.jpg")),
        ("grace/3.jpg", collins),
    ):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.fixture
def crops(photos):
    return cached_crops(read_folder(photos))


@pytest.fixture
def tiny(write_model) -> Model:
    return Model(write_model())


def stored() -> list[Path]:
    return sorted(path for path in embeddings_home().rglob("*") if path.is_file())


ALL = np.arange(4)


def test_embeddings_are_read_back_as_the_network_gave_them(crops, model, embedded):
    expected = model.embed(centre_crop(crops.wide[ALL]))
    embedded.clear()
    for _ in ("embedded", "read"):
        assert np.array_equal(embed_crops(model, crops, ALL), expected)
    assert embedded == [3]  # one photo is there twice


def test_a_photo_without_a_face_has_no_embedding(photos, faceless, tiny):
    shutil.copy(faceless, photos / "grace" / "wall.png")
    crops = cached_crops(read_folder(photos))
    for _ in ("embedded", "read"):
        embeddings = embed_crops(tiny, crops, np.array([4, 0, 4]))
        assert np.isnan(embeddings).all(axis=1).tolist() == [True, False, True]


def test_other_photos_are_embedded_and_no_more(crops, photos, tiny, embedded):
    embed_crops(tiny, crops, ALL[:2])
    (photos / "grace").rename(photos / "admiral")
    embeddings = embed_crops(tiny, cached_crops(read_folder(photos)), ALL)
    assert embedded == [2, 1]
    assert not np.isnan(embeddings).any()


def test_another_network_embeds_anew(crops, tiny, write_model, embedded):
    known = embed_crops(tiny, crops, ALL)
    other = Model(write_model("other.onnx", averaged=(2, 3)), quick=True)
    assert embed_crops(other, crops, ALL).shape == (4, other.embedding_size)
    quick = Model(tiny.path, quick=True)  # its last digits may differ
    assert embed_crops(quick, crops, ALL) == pytest.approx(known, abs=1e-6)
    assert embedded == [3, 3, 3]


def test_a_model_file_that_has_changed_is_not_taken_for_the_one_that_was_opened(crops, write_model, refuses):
    opened = Model(write_model())
    write_model(averaged=(2, 3))
    with refuses(opened.path):
        embed_crops(opened, crops, ALL)
    assert not stored()


@pytest.mark.parametrize("damage", ["a changed byte", "cut", "emptied", "foreign", "deleted", "a folder"])
def test_what_is_damaged_is_embedded_anew(crops, tiny, embedded, damage):
    expected = embed_crops(tiny, crops, ALL)
    (file,) = stored()
    whole = file.read_bytes()
    match damage:
        case "a changed byte":  # in an embedding
            file.write_bytes(whole[:34] + bytes([whole[34] ^ 1]) + whole[35:])
        case "cut":  # within the last record
            file.write_bytes(whole[:-1])
        case "emptied":
            file.write_bytes(b"")
        case "foreign":
            file.write_bytes(b"Dear reader, this is a letter.\n" * 100)
        case "deleted":
            shutil.rmtree(file.parent)
        case "a folder":
            file.unlink()
            file.mkdir()
    again = {"a changed byte": 1, "cut": 1}.get(damage, 3)
    for _ in ("embedded", "read"):
        assert np.array_equal(embed_crops(tiny, crops, ALL), expected)
    assert embedded == [3, again]


def test_embeddings_are_for_their_owner_alone(crops, tiny):
    embed_crops(tiny, crops, ALL)
    (file,) = stored()
    for path in (file, file.parent, file.parent.parent):
        assert path.stat().st_mode & 0o077 == 0


def test_several_runs_at_once_keep_what_each_has_embedded(tiny):
    digests = [bytes([i]) * 32 for i in range(8)]
    embeddings = np.random.default_rng(0).random((8, tiny.embedding_size), np.float32)
    stores = [EmbeddingStore(tiny), EmbeddingStore(tiny)]
    for i, digest in enumerate(digests):
        stores[i % 2].add([digest], embeddings[i : i + 1])
    assert np.array_equal(EmbeddingStore(tiny).find(digests), embeddings)


KILLED = """
import os, signal, sys
import numpy as np
from facesim.data.cache import cached_crops
from facesim.data.dataset import read_folder
from facesim.detector.selection import find_main_face
from facesim.evaluation import scoring
from facesim.evaluation.explore.map import map_photos
from facesim.evaluation.explore.neighbours import find_neighbours
from facesim.evaluation.identification import identify
from facesim.evaluation.open_set import sample_open_set
from facesim.model import Model

def embed(model, crops, calls=[], embed=Model.embed):
    calls.append(len(crops))
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return embed(model, crops)

Model.embed, scoring.BATCH = embed, 1
scoring.embed_crops(Model(sys.argv[1]), cached_crops(read_folder(sys.argv[2])), np.arange(4))
"""


def test_a_killed_run_keeps_what_it_has_embedded(crops, photos, tiny, embedded):
    ended = subprocess.run([sys.executable, "-c", KILLED, tiny.path, photos], capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    embed_crops(tiny, crops, ALL)
    assert embedded == [1]


def test_the_least_recently_used_embeddings_make_room_but_never_those_in_use(tiny, write_model):
    crops = [crop_digest(np.full((160, 160, 3), i, np.uint8)) for i in range(3)]
    models = [tiny, Model(write_model("other.onnx", averaged=(2, 3)))]
    for age, model in zip((200, 100), models, strict=True):
        EmbeddingStore(model).add(crops, np.ones((3, model.embedding_size), np.float32))
        (file,) = (embeddings_home() / model.fingerprint).iterdir()
        os.utime(file, (age, age))
    sizes = sum(path.stat().st_size for path in stored())

    def known() -> list[bool]:
        return [(embeddings_home() / model.fingerprint).exists() for model in models]

    EmbeddingStore(tiny).make_room(0, limit=sizes)
    assert known() == [True, True]
    used = EmbeddingStore(tiny)
    used.find(crops)
    used.make_room(1, limit=sizes)
    assert known() == [True, False]
    used.make_room(1, limit=0)
    assert known() == [True, False]
    EmbeddingStore(tiny).make_room(1, limit=0)
    assert known() == [False, False]


def test_where_nothing_can_be_kept_the_run_goes_on(crops, tiny, monkeypatch):
    expected = embed_crops(tiny, crops, ALL)
    shutil.rmtree(embeddings_home())
    embeddings_home().write_text("in the way")
    assert np.array_equal(embed_crops(tiny, crops, ALL), expected)
    embeddings_home().unlink()
    monkeypatch.setattr(scoring, "BATCH", 1)
    embed = Model.embed

    def clear_and_embed(model, crops):
        shutil.rmtree(embeddings_home(), ignore_errors=True)  # as facesim cache --clear does
        return embed(model, crops)

    monkeypatch.setattr(Model, "embed", clear_and_embed)
    assert np.array_equal(embed_crops(tiny, crops, ALL), expected)


def test_no_report_embeds_what_another_has(run, copy_people, write_model, embedded, hopper):
    people, model = copy_people(8, 3), Model(write_model())
    for i, folder in enumerate(sorted(people.iterdir())):  # under names of people whom no model has seen
        folder.rename(people / f"Person {i}")
    dataset = read_folder(people)
    found = map_photos(dataset, model)
    photos = len(found.photos)
    assert sum(embedded) == photos
    assert run("evaluate", "--data", people, "-w", model.path)[0] == 0
    assert run("evaluate", "--data", people, "-w", model.path)[0] == 0
    assert np.array_equal(map_photos(dataset, model).map.points, found.map.points)
    identify(sample_open_set(model.info, (str(people),)), model)
    assert sum(embedded) == photos
    find_neighbours(*find_main_face(hopper), dataset, found.crops, model)
    assert sum(embedded) == photos + 1  # the face whose neighbours they are


def test_an_unknown_crop_has_no_embedding(tiny):
    assert EmbeddingStore(tiny).find([]).shape == (0, tiny.embedding_size)
    assert np.isnan(EmbeddingStore(tiny).find([bytes(32)])).all()
