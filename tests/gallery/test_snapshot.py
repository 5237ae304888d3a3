import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from facesim.detector.box import Box
from facesim.errors import FaceSimError
from facesim.gallery import snapshot, store, tables
from facesim.gallery.forget import forget
from facesim.gallery.maintenance import gallery_stats
from facesim.gallery.reading import GalleryReader
from facesim.gallery.rename import rename
from facesim.gallery.rows import FaceRow
from facesim.gallery.snapshot import SNAPSHOT, Snapshot, read_snapshot
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.model import Model

BOX = Box(10, 20, 110, 125)
WALL = FaceRow("/photos/wall.jpg", 1, problem="no face was found in wall.jpg.")


def face(name: str | None, seed: int, size: int) -> FaceRow:
    embedding = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    photo = f"/photos/{seed}\udcff.jpg"  # a name that is no text
    return FaceRow(photo, seed, name, embedding / np.linalg.norm(embedding), BOX, 90, None, 7, 8, b"\0content")


@pytest.fixture
def gallery(tmp_path, model):
    """A gallery of six faces, of which one has no name, and a photo without a face."""
    gallery = open_or_create_gallery(str(tmp_path / "gallery"), model)
    names = ("Ana", "Ben", "Zoë O'Brien", "Ana", None, "Ana")
    with gallery.writing():
        gallery.add([*(face(name, seed, gallery.embedding_size) for seed, name in enumerate(names)), WALL])
    return gallery


@pytest.fixture
def kept(gallery) -> Path:
    """The gallery's snapshot."""
    return Path(gallery.address) / SNAPSHOT


def current(gallery) -> Snapshot | None:
    return read_snapshot(gallery.address, gallery.table_uri)


def files_with(gallery, rows) -> set[str]:
    """Return the files of a gallery that hold an embedding of any of these rows."""
    files = [path for path in Path(gallery.address).rglob("*") if path.is_file()]
    return {path.name for path in files for row in rows if row.embedding.tobytes() in path.read_bytes()}


def test_a_snapshot_says_what_the_table_does(gallery):
    taken = current(gallery)
    for query in np.random.default_rng(1).normal(size=(5, gallery.embedding_size)).astype(np.float32):
        for named in (False, True):
            for one, other in zip(taken.nearest(query, 4, named), gallery.nearest(query, 4, named), strict=True):
                assert (one.name, one.photo, one.box) == (other.name, other.photo, other.box)
                assert one.distance == pytest.approx(other.distance, rel=1e-5)
    assert len(taken.nearest(query, 9)) == 6
    assert len(taken.nearest(query, 9, named=True)) == 5
    assert taken.names() == gallery.names() == {"Ana": 3, "Ben": 1, "Zoë O'Brien": 1}
    assert gallery_stats(taken) == gallery_stats(gallery)
    for chosen in ({}, {"faces_only": True}, {"names": ["Ana"]}):
        rows, expected = (sorted(each.rows(**chosen), key=lambda row: row.photo) for each in (taken, gallery))
        assert [row._replace(embedding=None) for row in rows] == [row._replace(embedding=None) for row in expected]
        assert all(np.array_equal(*pair) for pair in zip(embeddings(rows), embeddings(expected), strict=True))


def embeddings(rows) -> list[np.ndarray]:
    return [row.embedding for row in rows if row.embedding is not None]


def test_a_reader_sees_what_others_change(gallery, model):
    reader = GalleryReader(gallery.address, model)
    assert reader.names()["Ana"] == 3
    rename(gallery, "Ana", "Bea")
    assert "Ana" not in reader.names()
    late = face("late", 9, gallery.embedding_size)
    with gallery.writing():
        gallery.add([late])
        assert reader.nearest(late.embedding, 1)[0].name == "late"
    assert reader.nearest(late.embedding, 1)[0].name == "late"
    assert GalleryReader(gallery.address).stats() == gallery_stats(gallery)


def test_another_model_is_refused_by_a_snapshot_too(gallery, write_model, refuses):
    with refuses(gallery.address):
        GalleryReader(gallery.address, Model(write_model()))


def test_a_snapshot_is_its_owners_alone_and_only_of_a_small_gallery(gallery, kept, monkeypatch):
    assert kept.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr(store, "MAX_ROWS", 6)
    kept.unlink()
    assert GalleryReader(gallery.address).names() == gallery.names()
    assert not kept.exists()


def test_what_is_forgotten_is_in_no_file(gallery, kept):
    theirs, others = list(gallery.rows(names=["Ana"])), list(gallery.rows(names=["Ben"]))
    (kept.parent / f".{SNAPSHOT}-1234").write_bytes(kept.read_bytes())  # a process was killed while it wrote this
    assert len(files_with(gallery, theirs)) == 3
    forget(gallery, "Ana")
    assert files_with(gallery, theirs) == set()
    assert SNAPSHOT in files_with(gallery, others)
    assert GalleryReader(gallery.address).names() == {"Ben": 1, "Zoë O'Brien": 1}


def test_nothing_is_forgotten_while_somebody_writes_a_snapshot_nor_is_one_written_meanwhile(
    gallery, kept, monkeypatch, refuses
):
    theirs = list(gallery.rows(names=["Ana"]))
    read, go_on = threading.Event(), threading.Event()

    def paused_write(path, real=snapshot.write_whole):
        read.set()
        assert go_on.wait(60)
        return real(path)

    kept.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "write_whole", paused_write)
        patch.setattr(tables, "PATIENCE", 0.1)
        reading = threading.Thread(target=GalleryReader, args=(gallery.address,))
        reading.start()
        assert read.wait(60)  # it has read everything, and is about to write that
        with refuses(gallery.address) as caught:
            forget(gallery, "Ana")
        assert "is being written to" in str(caught.value)
        go_on.set()
        reading.join()
    assert files_with(gallery, theirs) > {SNAPSHOT}
    with gallery.exclusive():
        assert not kept.exists()
        assert GalleryReader(gallery.address).names() == gallery.names()
        assert not kept.exists()
    forget(gallery, "Ana")
    assert files_with(gallery, theirs) == set()


def test_a_snapshot_of_what_has_changed_while_it_was_read_is_not_written(gallery, kept):
    before = kept.read_bytes()

    def rows():
        yield from gallery.rows()
        open_gallery(gallery.address).add([WALL])

    with gallery.writing():
        snapshot.keep_snapshot(gallery.address, gallery.table_uri, gallery.fingerprint, gallery.embedding_size, rows)
        assert kept.read_bytes() == before
        assert current(gallery) is None
    assert current(gallery).count_named() == 5


def test_what_cannot_be_deleted_is_not_called_forgotten(gallery, kept, refuses):
    kept.unlink()
    kept.mkdir()
    assert GalleryReader(gallery.address).names() == gallery.names()  # none can be written, and none is needed
    with refuses(gallery.address) as caught:
        forget(gallery, "Ana")
    assert SNAPSHOT in str(caught.value)
    assert gallery.names()["Ana"] == 3


def rewritten(whole: bytes, change) -> bytes:
    """Return a snapshot with another body, and the digest that belongs to it."""
    kind, version, _, body = whole.split(b"\n", 3)
    body = change(body)
    return b"\n".join((kind, version, snapshot._digest(body), body))


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole.replace(b"Ben", b"Bob"),
        lambda whole: b"facesim snapshot 2" + whole[18:],
        lambda whole: rewritten(whole, lambda body: body[:-4]),
        lambda whole: rewritten(whole, lambda body: body.replace(b'"Ben"', b"[1e999]")),
        lambda whole: rewritten(whole, lambda body: body.replace(b"[10, 20, 110, 125]", b"[10]")),
        lambda whole: rewritten(whole, lambda body: body.replace(b"[10, 20, 110, 125]", b"null")),
        lambda whole: rewritten(whole, lambda body: body.replace(b", 7, 8, ", b", 7, 8, 9, ")),
        lambda whole: rewritten(whole, lambda body: b"[" * 100_000),
        lambda whole: rewritten(whole, lambda body: b'["f", -5, []]\n'),
        lambda whole: rewritten(whole, lambda body: b"{}\n" + body),
        lambda whole: rewritten(whole, lambda body: b" " * (snapshot._MAX_TEXT + 1) + body),
        lambda whole: whole.ljust(snapshot._MAX_BYTES + 1, b"\0"),
    ],
)
def test_a_damaged_snapshot_is_ignored_and_written_again(gallery, kept, damage):
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert current(gallery) is None
    assert GalleryReader(gallery.address).names() == gallery.names()
    assert kept.read_bytes() == whole


def test_a_pipe_is_no_snapshot(gallery, kept):
    kept.unlink()
    os.mkfifo(kept)
    assert current(gallery) is None


KILLED = """
import os, signal, sys
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
from facesim.gallery.reading import GalleryReader
GalleryReader(sys.argv[1])
"""


def test_a_reader_that_is_killed_leaves_nothing_that_forget_does_not_delete(gallery, kept):
    theirs = list(gallery.rows(names=["Ana"]))
    kept.unlink()
    ended = subprocess.run([sys.executable, "-c", KILLED, gallery.address])
    assert ended.returncode == -signal.SIGKILL
    assert files_with(gallery, theirs) - {path.name for path in Path(gallery.table_uri).rglob("*")} != set()
    assert GalleryReader(gallery.address).names() == gallery.names()
    forget(gallery, "Ana")
    assert files_with(gallery, theirs) == set()
    assert sorted(os.listdir(gallery.address)) == [tables.LOCK, SNAPSHOT, "faces.lance"]


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (("1.manifest", "2.manifest", "10.manifest", "x.manifest", ".tmp_11.manifest"), b"10 "),
        (("18446744073709551614.manifest", "18446744073709551605.manifest", "latest_version_hint.json"), b"10 "),
    ],
)
def test_the_version_of_a_table_is_that_of_its_newest_manifest_in_either_way_to_name_them(tmp_path, names, newest):
    (tmp_path / "_versions").mkdir()
    for name in names:
        (tmp_path / "_versions" / name).write_text(name)
    version = snapshot.table_version(str(tmp_path))
    assert version.startswith(newest)
    for name in names:
        (tmp_path / "_versions" / name).write_text("another gallery's")
    assert snapshot.table_version(str(tmp_path)) != version
    assert snapshot.table_version(str(tmp_path / "nowhere")) is None


def test_a_forgetting_that_fails_leaves_no_snapshot(gallery, kept, refuses):
    with pytest.raises(FaceSimError), gallery.exclusive():
        raise FaceSimError("it was interrupted.")
    assert not kept.exists()
