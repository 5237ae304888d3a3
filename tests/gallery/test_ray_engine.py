"""Ray's workers fill a gallery as this machine's cores do, whoever dies on the way."""

import os
import shutil
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("lance", reason="Ray is not installed")

import lance
import ray
from ray.cluster_utils import Cluster

from facesim.errors import FaceSimError
from facesim.folder import photos_at
from facesim.gallery import maintenance, ray_engine
from facesim.gallery.embed import EmbedCounts, embed_locally, pending_photos
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.model import Model

PHOTOS = 24
BLOCK = 4
ODD_NAME = os.fsdecode(b"\xff\xfe.jpg")


def embed(engine, address, photos, verifier):
    """Return a fresh iterator over the counts of what is pending in `photos`."""
    gallery = open_or_create_gallery(str(address), verifier.model)
    return engine(gallery, verifier, pending_photos(gallery, photos_at([str(photos)])))


def rows(address) -> list[tuple]:
    """Return all that a gallery holds, embeddings bit by bit, in order."""
    found = [
        row._replace(embedding=None if row.problem else row.embedding.tobytes()) for row in open_gallery(address).rows()
    ]
    return sorted(found, key=repr)


@pytest.fixture(scope="module")
def photos(lfw, tmp_path_factory) -> Path:
    """Photos of people, one of nobody, one that is none, and one whose name is no text."""
    folder = tmp_path_factory.mktemp("photos")
    for photo in sorted(lfw.glob("*/*_0001.jpg"))[:PHOTOS]:
        shutil.copy(photo, folder)
    shutil.copy(photo, folder / ODD_NAME)
    Image.new("RGB", (200, 200), "grey").save(folder / "wall.png")
    (folder / "letter.jpg").write_text("Dear reader, this is a letter.\n")
    return folder


@pytest.fixture(scope="module")
def expected(photos, verifier, tmp_path_factory) -> list[tuple]:
    """The rows that the local engine gives."""
    address = str(tmp_path_factory.mktemp("local") / "gallery")
    list(embed(embed_locally, address, photos, verifier))
    return rows(address)


@pytest.fixture(scope="module")
def two_nodes():
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cluster(two_nodes, monkeypatch):
    """A cluster of two nodes with a core each, in small blocks of photos."""
    monkeypatch.setenv("RAY_ADDRESS", two_nodes.address)
    monkeypatch.setattr(ray_engine, "MAX_BLOCK", BLOCK)
    return two_nodes


@pytest.fixture
def gallery(tmp_path) -> str:
    return str(tmp_path / "gallery")


@pytest.mark.slow
def test_ray_gives_the_rows_that_the_local_engine_gives(
    cluster, gallery, photos, expected, verifier, monkeypatch, tmp_path
):
    nodes = tmp_path / "nodes"
    nodes.mkdir()

    class Telling(ray_engine._Worker):
        """Says on which node it works, and waits for the other one's worker."""

        def __call__(self, block):
            (nodes / ray.get_runtime_context().get_node_id()).touch()
            patience = time.monotonic() + 30
            while len(list(nodes.iterdir())) < 2 and time.monotonic() < patience:
                time.sleep(0.1)
            return super().__call__(block)

    monkeypatch.setattr(ray_engine, "_Worker", Telling)
    monkeypatch.setattr(ray_engine, "ROUND", PHOTOS)
    replaced = FaceRow(expected[0].photo, 0, problem="as it was before")
    unreadable_now = replaced._replace(photo=str(photos / "letter.jpg"))
    open_or_create_gallery(gallery, verifier.model).add([replaced, unreadable_now])
    counts = sum(embed(ray_engine.embed_by_ray, gallery, photos, verifier), EmbedCounts())
    assert rows(gallery) == sorted([*expected, unreadable_now], key=repr)
    assert (counts.photo_count, counts.without_face, counts.unreadable) == (PHOTOS + 3, 1, 1)
    assert counts.face_count == sum(row.problem is None for row in expected)
    assert len(list(nodes.iterdir())) == 2


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    cluster, gallery, photos, expected, verifier, monkeypatch, tmp_path, capfd
):
    class Mortal(ray_engine._Worker):
        """Dies once before it has written its first block, and once after that, before it could tell."""

        def __call__(self, block):
            self.die_once("before")
            outcome = super().__call__(block)
            self.die_once("after")
            return outcome

        def die_once(self, moment):
            if not (tmp_path / moment).exists():
                (tmp_path / moment).touch()
                os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(ray_engine, "_Worker", Mortal)
    counts = list(embed(ray_engine.embed_by_ray, gallery, photos, verifier))
    assert {"before", "after"} <= {path.name for path in tmp_path.iterdir()}
    assert rows(gallery) == expected
    assert sum(each.photo_count for each in counts) == PHOTOS + 3
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_stopped_run_is_continued(cluster, gallery, photos, expected, verifier, monkeypatch):
    monkeypatch.setattr(ray_engine, "SECONDS_PER_COMMIT", 0)
    monkeypatch.setattr(maintenance, "_MAX_FRAGMENTS", 2)  # workers' fragments are merged while others write more
    monkeypatch.setattr(maintenance, "_READING", timedelta(milliseconds=1))
    run = embed(ray_engine.embed_by_ray, gallery, photos, verifier)
    first = next(run)
    run.close()
    assert first.photo_count - first.unreadable == len({row.photo for row in rows(gallery)}) < PHOTOS

    rest = list(embed(ray_engine.embed_by_ray, gallery, photos, verifier))
    assert first.face_count + sum(counts.face_count for counts in rest) == sum(row.problem is None for row in expected)
    assert rows(gallery) == expected
    assert len(lance.dataset(open_gallery(gallery).table_uri).get_fragments()) <= 3
    (again,) = embed(ray_engine.embed_by_ray, gallery, photos, verifier)
    assert again == EmbedCounts(unreadable=1)
    assert rows(gallery) == expected


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_photos_or_has_another_model_stops_the_run(
    cluster, gallery, hopper, verifier, monkeypatch, tmp_path, refuses, write_model
):
    photo = shutil.copy(hopper, tmp_path)

    class Elsewhere(ray_engine._Worker):
        """Works where there is no photo."""

        def _embed(self, block):
            os.rename(photo, f"{photo} elsewhere")
            try:
                return super()._embed(block)
            finally:
                os.rename(f"{photo} elsewhere", photo)

    with monkeypatch.context() as patch, refuses(photo):
        patch.setattr(ray_engine, "_Worker", Elsewhere)
        list(embed(ray_engine.embed_by_ray, gallery, photo, verifier))
    assert rows(gallery) == []

    other = open_or_create_gallery(str(tmp_path / "other"), Model(write_model()))
    with refuses(other.address) as caught:
        list(ray_engine.embed_by_ray(other, verifier, pending_photos(other, [photo])))
    assert "another model" in str(caught.value)
    assert rows(other.address) == []


@pytest.mark.slow
def test_the_command_prints_its_sentence_and_nothing_else(cluster, gallery, photos, expected, run):
    status, out, err = run("embed", photos, "--to", gallery, "--engine", "ray")
    assert status == 2  # as one of the photos is none
    assert out.startswith(f"{len(expected) - 1} faces")
    assert (out.count("\n"), err) == (1, "")


def test_a_cluster_that_is_not_there_is_reported_in_a_sentence(gallery, hopper, verifier, monkeypatch, refuses):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with refuses("127.0.0.1:1"):
        list(embed(ray_engine.embed_by_ray, gallery, hopper, verifier))


@pytest.mark.parametrize("missing", ["ray", "lance"])
def test_without_ray_the_engine_says_what_to_install(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "facesim.gallery.ray_engine")
    with pytest.raises(FaceSimError, match=r"pip install -e '\.\[ray\]'"):
        import facesim.gallery.ray_engine  # noqa: F401
