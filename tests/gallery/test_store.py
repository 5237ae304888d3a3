import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import lancedb
import numpy as np
import portalocker
import pytest

from facesim.detector.box import Box
from facesim.errors import FaceSimError
from facesim.gallery import embed, maintenance, store, tables
from facesim.gallery import forget as forget_module
from facesim.gallery.embed import pending_photos
from facesim.gallery.forget import forget
from facesim.gallery.known import KnownPhotos
from facesim.gallery.maintenance import gallery_stats, overwrite, purge, vacuum
from facesim.gallery.reembed import staged_gallery
from facesim.gallery.rename import rename
from facesim.gallery.rows import FaceRow, check_name
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.gallery.version import Version
from facesim.model import Model

BOX = Box(10, 20, 110, 125)
AWKWARD = "Zoë O'Brien'; --"


def unit(count, size, seed=0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def gallery(tmp_path, model):
    return open_or_create_gallery(str(tmp_path / "gallery"), model)


@pytest.fixture
def fill(gallery):
    """Adds faces of unit length, one for each name, in photos named after their place; returns their embeddings."""

    def fill(*names, seed=0) -> np.ndarray:
        embeddings = unit(len(names), gallery.embedding_size, seed)
        with gallery.writing():
            rows = zip(names, embeddings, strict=True)
            gallery.add([FaceRow(f"/photos/{seed}-{i}.jpg", i, name, face, BOX) for i, (name, face) in enumerate(rows)])
        return embeddings

    return fill


def files_with(folder: Path, part: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and part in path.read_bytes()]


@pytest.mark.skipif(os.name != "posix", reason="access is not by mode here")
def test_a_new_gallery_is_its_owners_alone(gallery):
    assert Path(gallery.address).stat().st_mode & 0o777 == 0o700


def test_the_nearest_are_those_of_a_plain_search(gallery, fill):
    embeddings = fill(*map(str, range(500)))
    for query in unit(5, gallery.embedding_size, 1):
        distances = [float(np.sqrt(sum((query - face) ** 2))) for face in embeddings]
        expected = sorted(range(500), key=lambda i: distances[i])[:7]
        found = gallery.nearest(query, 7)
        assert [match.name for match in found] == [str(i) for i in expected]
        np.testing.assert_allclose([match.distance for match in found], [distances[i] for i in expected], rtol=1e-5)
    assert found[0].box == BOX
    assert found[0].photo == f"/photos/0-{expected[0]}.jpg"


def test_a_face_is_found_again_at_no_distance(gallery, fill):
    embeddings = fill("Ana", "Ben")
    (match,) = gallery.nearest(embeddings[1], 1)
    assert (match.name, match.distance) == ("Ben", 0)


def test_photos_without_a_face_and_faces_without_a_name_are_nobodys_name(gallery, fill):
    embeddings = fill("Ana", None)
    with gallery.writing():
        gallery.add([FaceRow("/photos/wall.jpg", 1, problem="no face was found in wall.jpg.")])
    assert [match.name for match in gallery.nearest(embeddings[1], 9)] == [None, "Ana"]
    assert [match.name for match in gallery.nearest(embeddings[1], 9, named=True)] == ["Ana"]
    assert gallery.count_named() == 1
    held = gallery_stats(gallery)
    assert (held.face_count, held.named_count, held.name_count, held.without_face, held.photo_count) == (2, 1, 1, 1, 3)
    kept = {row.photo: row for row in gallery.rows()}
    assert kept["/photos/wall.jpg"] == FaceRow("/photos/wall.jpg", 1, problem="no face was found in wall.jpg.")
    assert np.array_equal(kept["/photos/0-1.jpg"].embedding, embeddings[1])
    assert [row.name for row in gallery.rows(faces_only=True)] == ["Ana", None]


def test_the_index_finds_what_an_exact_search_does_and_faces_that_came_after_it(gallery, fill, monkeypatch):
    embeddings = fill(*(str(i) if i % 3 else None for i in range(900)))
    with gallery.writing():
        gallery.add([FaceRow("/photos/wall.jpg", 1, problem="no face.")] * 20)
    queries = unit(20, gallery.embedding_size, 1)
    exact = {named: [gallery.nearest(query, 10, named) for query in queries] for named in (True, False)}
    monkeypatch.setattr(maintenance, "INDEX_FROM", 500)
    vacuum(gallery)
    assert gallery_stats(gallery).indexed
    for named, expected in exact.items():
        assert [gallery.nearest(query, 10, named) for query in queries] == expected
    (later,) = fill("late", seed=2)
    assert gallery.nearest(later, 1)[0].name == "late"
    fill(*map(str, range(600)), seed=3)
    vacuum(gallery)
    (index,) = lancedb.connect(gallery.address).open_table(store.TABLE).list_indices()
    assert index.num_unindexed_rows == 0
    assert gallery.nearest(embeddings[1], 1)[0].name == "1"


def test_the_index_is_made_anew_once_there_are_four_times_as_many_faces(gallery, fill, monkeypatch):
    monkeypatch.setattr(maintenance, "INDEX_FROM", 100)
    names = []
    for seed in range(5):
        fill(*map(str, range(100)), seed=seed)
        vacuum(gallery)
        names += [index.name for index in lancedb.connect(gallery.address).open_table(store.TABLE).list_indices()]
    assert names == ["parts_10", "parts_10", "parts_10", "parts_20", "parts_20"]


def test_many_small_changes_are_made_one_piece(gallery, fill, monkeypatch):
    monkeypatch.setattr(maintenance, "_MAX_FRAGMENTS", 20)
    for seed in range(30):
        fill("Ana", seed=seed)
    pieces = list((Path(gallery.table_uri) / "data").iterdir())
    vacuum(gallery)
    assert len(pieces) == 30
    table = lancedb.connect(gallery.address).open_table(store.TABLE)
    assert table.stats()["fragment_stats"]["num_fragments"] == 1
    assert gallery.names() == {"Ana": 30}


def test_a_long_run_does_not_pile_up_pieces_or_earlier_versions(gallery, verifier, lfw, monkeypatch):
    photos = sorted(map(str, lfw.resolve().glob("*/*_0001.jpg")))[:12]
    monkeypatch.setattr(embed, "SECONDS_PER_WRITE", 0)
    monkeypatch.setattr(maintenance, "_MAX_FRAGMENTS", 3)
    monkeypatch.setattr(maintenance, "_READING", timedelta(milliseconds=1))
    pieces, versions = [], []
    for counts in embed.embed_locally(gallery, verifier, pending_photos(gallery, photos)):
        assert counts.photo_count == 1
        pieces.append(gallery.table.stats()["fragment_stats"]["num_fragments"])
        versions.append(len(list((Path(gallery.table_uri) / "_versions").iterdir())))
    assert pieces == [1, 2, 3, 4] + 2 * [2, 3, 4] + [2, 3]
    assert max(versions) <= 6
    assert sorted({row.photo for row in gallery.rows()}) == photos


def test_a_name_is_changed_and_two_become_one_only_when_told_to(gallery, fill, refuses):
    fill("Ana", "Ana", AWKWARD, "Ben")
    assert rename(gallery, AWKWARD, "  Zoë ") == 1
    assert gallery.names() == {"Ana": 2, "Ben": 1, "Zoë": 1}
    with refuses("Ben is in"):
        rename(gallery, "Ana", "Ben")
    with refuses("is called Nobody"):
        rename(gallery, "Nobody", "Ben")
    assert rename(gallery, "Ana", "Ben", merge=True) == 2
    assert gallery.names() == {"Ben": 3, "Zoë": 1}


def test_a_name_is_one_name_however_it_is_spelled(gallery, fill, refuses):
    fill("Zoë", "Zoë", "Ana")
    assert rename(gallery, "ZOE\u0308 ", "Zoe") == 2
    assert rename(gallery, "zoe", "ZOE") == 2  # the same name, spelled otherwise
    with refuses("ZOE is in"):
        rename(gallery, "Ana", "Zoe")
    assert rename(gallery, "ana", "zoe", merge=True) == 1
    assert gallery.names() == {"ZOE": 3}
    assert forget(gallery, "Zoe").face_count == 3


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "\udcff", "x" * 201, "a\u2028b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(FaceSimError, match="cannot be a name"):
        check_name(name)


@pytest.mark.parametrize("indexed", [False, True])
def test_who_is_forgotten_is_in_no_file_any_more(gallery, fill, model, monkeypatch, indexed):
    monkeypatch.setattr(maintenance, "INDEX_FROM", 500 if indexed else 10_000)
    embeddings = fill(AWKWARD, *map(str, range(800)))
    fill("Ana", "Ben", None, seed=1)
    with gallery.writing():
        gallery.add([FaceRow("/photos/wall.jpg", 1, problem="no face.")])
    vacuum(gallery)
    with gallery.exclusive():
        staged_gallery(gallery, model).add(
            [FaceRow("/photos/0-0.jpg", 0, AWKWARD, embeddings[0], BOX)]
        )  # left by a killed run
    folder = Path(gallery.address)
    parts = AWKWARD.encode(), embeddings[0].tobytes()
    assert all(files_with(folder, part) for part in parts)
    assert forget(gallery, AWKWARD).face_count == 1
    assert not any(files_with(folder, part) for part in parts)
    assert files_with(folder, embeddings[1].tobytes())
    again = open_gallery(gallery.address, model)
    assert again.count_rows() == 804
    assert gallery_stats(again).without_face == 1
    assert AWKWARD not in again.names()
    assert gallery_stats(again).indexed == indexed
    assert again.nearest(embeddings[1], 1)[0].name == "0"
    with pytest.raises(FaceSimError, match="nobody in"):
        forget(gallery, AWKWARD)


def test_an_interrupted_forgetting_is_ended_by_the_next(gallery, fill, monkeypatch):
    embeddings = fill(AWKWARD, *map(str, range(100)))
    with monkeypatch.context() as patch:
        patch.setattr(forget_module, "purge", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            forget(gallery, AWKWARD)
    assert AWKWARD not in gallery.names()
    assert files_with(Path(gallery.address), embeddings[0].tobytes())
    with pytest.raises(FaceSimError, match="nobody in"):
        forget(gallery, AWKWARD)
    assert not files_with(Path(gallery.address), embeddings[0].tobytes())
    assert gallery.count_rows() == 100


def raise_interrupt(_):
    raise KeyboardInterrupt


def test_a_reader_goes_on_while_others_forget(gallery, fill, model):
    embeddings = fill("Ana", "Ben", "Cem")
    reader = open_gallery(gallery.address, model)
    assert reader.nearest(embeddings[2], 1)[0].name == "Cem"
    for name in ("Ana", "Ben"):
        forget(gallery, name)
        assert reader.nearest(embeddings[2], 3)[0].name == "Cem"
        assert name not in reader.names()


def test_who_opened_a_gallery_before_another_model_made_it_anew_is_told_so(gallery, fill, model, tmp_path):
    (embedding,) = fill("Ana")
    stale = open_gallery(gallery.address, model)

    class Other:
        embedding_size, fingerprint, path = gallery.embedding_size, "other", "other.onnx"

    with gallery.exclusive():
        staged = staged_gallery(gallery, Other)
        overwrite(gallery, staged.schema, staged.batches())
        purge(gallery)
    row = FaceRow("/b.jpg", 0, "Ben", embedding, BOX)
    for attempt in (
        lambda: stale.nearest(embedding, 1),
        lambda: rename(stale, "Ana", "Ben"),
        lambda: forget(stale, "Ana"),
        lambda: write(stale, row),
    ):
        with pytest.raises(FaceSimError, match="made again with another model"):
            attempt()
    assert open_gallery(gallery.address).fingerprint == "other"
    assert gallery.count_rows() == 0


def write(gallery, row):
    with gallery.writing():
        gallery.add([row])


def test_nobody_is_forgotten_by_a_clever_name(gallery, fill):
    fill("Ana", "Ben")
    with pytest.raises(FaceSimError, match="nobody in"):
        forget(gallery, "x' OR '1'='1")
    assert gallery.names() == {"Ana": 1, "Ben": 1}


def test_another_model_is_refused_and_the_same_network_with_other_metadata_is_not(
    gallery, model, write_model, tmp_path
):
    other = Model(write_model())
    with pytest.raises(FaceSimError, match=r"was made by another model .* facesim reembed"):
        open_gallery(gallery.address, other)
    same = Model(write_model("renamed.onnx", threshold="0.5"))
    assert same.fingerprint == other.fingerprint != model.fingerprint
    open_or_create_gallery(str(tmp_path / "other"), other)
    assert open_gallery(str(tmp_path / "other"), same).embedding_size == 3


def test_what_is_no_gallery_is_refused(tmp_path, model, hopper, refuses):
    for address in (tmp_path / "nowhere", tmp_path, hopper):
        with refuses(address):
            open_gallery(str(address))
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(hopper.read_bytes())
    with refuses(tmp_path / "photos"):
        open_or_create_gallery(str(tmp_path / "photos"), model)
    with refuses(hopper):
        open_or_create_gallery(str(hopper), model)
    lancedb.connect(tmp_path / "theirs").create_table(store.TABLE, [{"vector": [1.0, 2.0]}])
    with refuses(tmp_path / "theirs"):
        open_gallery(str(tmp_path / "theirs"))


def test_a_gallery_whose_making_was_interrupted_is_made(tmp_path, model):
    (tmp_path / "g" / "faces.lance" / "data").mkdir(parents=True)
    (tmp_path / "g" / tables.LOCK).touch()
    assert open_or_create_gallery(str(tmp_path / "g"), model).count_rows() == 0


def test_an_address_is_taken_as_it_is(tmp_path, model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for address in ("~/g", "g%20x", "g#y?z", "ü 'g\""):
        write(open_or_create_gallery(address, model), FaceRow("/a.jpg", 0, problem="no face."))
        assert (tmp_path / address / "faces.lance").is_dir()
        assert open_gallery(address).count_rows() == 1


def test_a_damaged_gallery_is_a_sentence(gallery, fill, refuses):
    fill("Ana")
    for manifest in (Path(gallery.table_uri) / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"rubbish")
    with refuses(gallery.address):
        open_gallery(gallery.address)


def test_asking_writes_nothing(gallery, fill, model):
    (embedding,) = fill("Ana")
    (Path(gallery.address) / tables.LOCK).unlink()
    before = sorted(Path(gallery.address).rglob("*"))
    asked = open_gallery(gallery.address, model)
    assert asked.nearest(embedding, 1)
    assert asked.names()
    assert gallery_stats(asked).face_count == 1
    assert sorted(Path(gallery.address).rglob("*")) == before


def test_forgetting_waits_for_those_who_write_and_says_so_when_it_takes_too_long(gallery, fill, monkeypatch, refuses):
    fill("Ana", "Ben")
    monkeypatch.setattr(tables, "PATIENCE", 0.3)
    with portalocker.Lock(Path(gallery.address) / tables.LOCK, flags=portalocker.LOCK_SH | portalocker.LOCK_NB):
        start = time.monotonic()
        with refuses(gallery.address):
            forget(gallery, "Ana")
        assert time.monotonic() - start >= 0.3
        fill("Cem", seed=1)  # others may add meanwhile
    assert forget(gallery, "Ana").face_count == 1
    assert gallery.names() == {"Ben": 1, "Cem": 1}


WRITER = """
import sys
import numpy as np
from facesim.gallery.rows import FaceRow
from facesim.gallery import maintenance
from facesim.gallery.store import open_or_create_gallery
from facesim.detector.box import Box
from facesim.model import Model
address, who = sys.argv[1:]
maintenance._MAX_FRAGMENTS = 3
model = Model()
print("ready", flush=True)
sys.stdin.readline()
gallery = open_or_create_gallery(address, model)  # all at once
for i in range(25):
    with gallery.writing():
        face = np.full(gallery.embedding_size, 1 / gallery.embedding_size ** 0.5, np.float32)
        gallery.add([FaceRow(f"/{i}.jpg", 0, f"{who}{i}", face, Box(0, 0, 9, 9))])
        maintenance.merge_fragments(gallery)
    maintenance.vacuum(gallery)
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path, model):
    address = str(tmp_path / "gallery")
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, address, who], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for who in "abc"
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.communicate(b"\n")
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert open_gallery(address, model).names() == {f"{who}{i}": 1 for who in "abc" for i in range(25)}


def test_known_photos_are_distinguished_from_changed_and_new_ones(gallery, model):
    face = unit(1, gallery.embedding_size)[0]
    with gallery.writing():
        gallery.add(
            [
                FaceRow("/a.jpg", 7, "Ana", face, BOX, size=100, changed=8, content=b"a"),
                FaceRow("/b.jpg", 7, "Ben", face, BOX),  # by an earlier facesim
                FaceRow("/c.jpg", 7, "Cem", face, BOX, size=100, changed=8, content=b"old"),
                FaceRow("/c.jpg", 9, None, face, BOX, size=100, changed=9, content=b"new"),
            ]
        )
    known = KnownPhotos(gallery)
    assert [known.has(photo) for photo in ("/a.jpg", "/b.jpg", "/d.jpg")] == [True, True, False]
    assert known.has_version("/a.jpg", Version(7, 100, 8))
    for other in (Version(7, 101, 8), Version(7, 100, 9), Version(6, 100, 8), Version(7)):
        assert not known.has_version("/a.jpg", other)
    assert [known.has_content("/a.jpg", content) for content in (b"a", b"b", None)] == [True, False, False]
    assert known.has_version("/b.jpg", Version(7, 100, 8))
    assert not known.has_content("/b.jpg", None)
    assert known.has_content("/c.jpg", b"new")
    assert not known.has_content("/c.jpg", b"old")


@pytest.mark.slow
def test_an_address_in_an_object_store_is_a_gallery_like_any_other(model, monkeypatch, tmp_path):
    moto = pytest.importorskip("moto.server", reason="no moto to stand for an object store")
    boto3 = pytest.importorskip("boto3")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        settings = {
            "ACCESS_KEY_ID": "a",
            "SECRET_ACCESS_KEY": "b",
            "DEFAULT_REGION": "us-east-1",
            "REGION": "us-east-1",
        }
        for name, value in {**settings, "ENDPOINT": endpoint, "ALLOW_HTTP": "true"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="bucket")
        address = "s3://bucket/galleries/mine"
        with pytest.raises(FaceSimError, match="is not a gallery"):
            open_gallery(address)
        gallery = open_or_create_gallery(address, model)
        embeddings = unit(3, gallery.embedding_size)
        for name, face in zip(("Ana", "Ben", AWKWARD), embeddings, strict=True):
            with gallery.writing():
                gallery.add([FaceRow(f"/{name}.jpg", 0, name, face, BOX)])
        reader = open_gallery(address, model)
        assert reader.nearest(embeddings[2], 1)[0].name == AWKWARD
        assert forget(gallery, AWKWARD).face_count == 1
        assert reader.names() == {"Ana": 1, "Ben": 1}
        assert gallery_stats(gallery).bytes > 0
        kept = [
            client.get_object(Bucket="bucket", Key=item["Key"])["Body"].read()
            for item in client.list_objects_v2(Bucket="bucket")["Contents"]
        ]
        assert any(embeddings[0].tobytes() in part for part in kept)
        assert not any(embeddings[2].tobytes() in part for part in kept)
    finally:
        server.stop()
    assert os.listdir(tmp_path) == []
