import os
import shutil

import numpy as np
import pytest

from facesim.errors import FaceSimError
from facesim.gallery import reembed as module
from facesim.gallery.embed import embed_locally, pending_photos
from facesim.gallery.enrol import enrol
from facesim.gallery.reembed import reembed
from facesim.gallery.rename import rename
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.model import Model
from facesim.verifier import Verifier


@pytest.fixture
def other(write_model) -> Model:
    """A model whose embeddings are the mean colours of crops."""
    return Model(write_model("other.onnx"))


@pytest.fixture
def photos(tmp_path, hopper, collins, both, faceless):
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in (hopper, collins, both, faceless):
        shutil.copy(photo, folder / photo.name)
    return folder


@pytest.fixture
def gallery(tmp_path, verifier, photos, hopper):
    gallery = open_or_create_gallery(str(tmp_path / "gallery"), verifier.model)
    list(enrol(gallery, verifier, [(str(photos / hopper.name), "Grace")]))
    list(embed_locally(gallery, verifier, pending_photos(gallery, map(str, photos.iterdir()))))
    return gallery


def content(gallery) -> list[tuple]:
    rows = (
        row._replace(embedding=None if row.embedding is None else row.embedding.tobytes()) for row in gallery.rows()
    )
    return sorted(rows, key=lambda row: (row.photo, row.box or (), row.name or ""))


def test_a_gallery_is_made_anew_with_names_and_boxes_as_they_were(gallery, other, tmp_path, photos, hopper, verifier):
    before = content(gallery)
    assert list(reembed(gallery, other)) == [None] * 5
    again = open_gallery(gallery.address, other)
    assert [row._replace(embedding=None) for row in content(again)] == [row._replace(embedding=None) for row in before]
    embedding, _ = Verifier(other).embed([photos / hopper.name])
    kept = next(row for row in again.rows() if row.name == "Grace")
    assert np.array_equal(kept.embedding, embedding[0])
    assert again.embedding_size == 3
    with pytest.raises(FaceSimError, match="another model"):
        open_gallery(gallery.address, verifier.model)
    assert sorted(os.listdir(gallery.address)) == [".facesim-lock", ".facesim-snapshot", "faces.lance"]
    list(reembed(again, verifier.model))
    assert content(open_gallery(gallery.address, verifier.model)) == before


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_missing_photo_keeps_the_gallery_as_it_was_unless_told_to_leave_it_out(
    gallery, other, photos, hopper, collins, verifier, harm
):
    before = content(gallery)
    if harm == "gone":
        (photos / hopper.name).unlink()
    else:
        shutil.copy(collins, photos / hopper.name)
    with pytest.raises(FaceSimError, match="1 face could not be embedded again"):
        list(reembed(gallery, other))
    assert content(open_gallery(gallery.address, verifier.model)) == before
    (error, *_) = [outcome for outcome in reembed(gallery, other, drop_missing=True) if outcome]
    assert hopper.name in str(error)
    assert open_gallery(gallery.address, other).names() == {}
    assert open_gallery(gallery.address, other).count_rows() == 4


def test_an_interrupted_run_is_continued_with_what_it_has(gallery, other, verifier, monkeypatch):
    before = content(gallery)
    monkeypatch.setattr(module, "_BATCH", 2)
    run = reembed(gallery, other)
    for _ in range(3):
        next(run)
    run.close()
    assert content(open_gallery(gallery.address, verifier.model)) == before
    embedded = []
    real = Model.embed
    monkeypatch.setattr(Model, "embed", lambda self, crops: embedded.append(1) or real(self, crops))
    list(reembed(gallery, other))
    assert len(embedded) < 4
    assert open_gallery(gallery.address, other).count_rows() == 5


def test_what_was_renamed_since_an_interrupted_run_has_its_new_name(gallery, other, monkeypatch):
    monkeypatch.setattr(module, "_BATCH", 1)
    run = reembed(gallery, other)
    for _ in range(5):
        next(run)
    run.close()
    rename(gallery, "Grace", "Amazing Grace")
    list(reembed(gallery, other))
    assert open_gallery(gallery.address, other).names() == {"Amazing Grace": 1}
    assert open_gallery(gallery.address, other).count_rows() == 5


def test_a_gallery_of_the_same_model_is_left_as_it_is(gallery, verifier):
    before = content(gallery)
    assert list(reembed(gallery, verifier.model)) == []
    assert content(gallery) == before
