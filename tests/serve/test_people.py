"""Galleries over HTTP: identify, search, and with permission enrol, rename and forget."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from serving import running

pytest.importorskip("lancedb", reason="the extra gallery is not installed")

from facesim.detector.selection import find_main_face
from facesim.gallery.enrol import enrol
from facesim.gallery.reading import GalleryReader
from facesim.gallery.store import open_gallery, open_or_create_gallery


@pytest.fixture
def address(tmp_path):
    return str(tmp_path / "people")


@pytest.fixture
def writing(verifier, model, address):
    """A client of a server that may write to an empty gallery."""
    with running(verifier, gallery=open_or_create_gallery(address, model), can_write=True) as client:
        yield client


def renamed(client, name, new_name, **more):
    body = json.dumps({"name": new_name} | more).encode()
    return client.send("PATCH", f"/v1/people/{name}", body, Content_Type="application/json")


def test_a_person_is_enrolled_identified_renamed_merged_and_forgotten(writing, model, address, hopper, collins):
    grace, eileen = hopper.read_bytes(), collins.read_bytes()
    (first,) = writing.post("/v1/people", ("photo", grace), name="Grace Hopper").json
    assert (first["photo"], first["name"], first["error"]) == ("photo1", "Grace Hopper", None)
    (again,) = writing.post("/v1/people", ("photo", grace), name="grace hopper").json
    assert again["known_as"] == "Grace Hopper"
    writing.post("/v1/people", ("photo", eileen), name="Eileen/Collins")
    assert writing.get("/v1/people").json == [
        {"name": "Eileen/Collins", "faces": 1},
        {"name": "Grace Hopper", "faces": 1},
    ]
    (face,) = writing.post("/v1/identify", ("photo", grace)).json
    assert (face["name"], face["photo"]) == ("Grace Hopper", "photo")
    nearest, other = writing.post("/v1/search", ("photo", eileen), k=2).json
    assert (nearest["name"], nearest["same"], other["name"]) == ("Eileen/Collins", True, "Grace Hopper")

    assert renamed(writing, "Eileen%2FCollins", "Eileen Collins").json == {"name": "Eileen Collins", "faces": 1}
    refused = renamed(writing, "Eileen%20Collins", "grace hopper")
    assert (refused.status, "merge" in refused.json["detail"]) == (409, True)
    assert renamed(writing, "Eileen%20Collins", "grace hopper", merge=True).json["name"] == "Grace Hopper"
    assert writing.send("DELETE", "/v1/people/Grace%20Hopper").json == {"faces": 2, "photos": 2}
    assert writing.send("DELETE", "/v1/people/Grace%20Hopper").status == 404
    assert open_gallery(address, model).count_rows() == 0


def test_no_upload_is_kept(writing, address, hopper, tmp_path):
    photo = hopper.read_bytes()
    writing.post("/v1/people", ("photo", photo), name="Grace Hopper")
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert photo[1000:1200] not in kept
    assert writing.get("/v1/people/Grace%20Hopper/picture").status == 404


def test_a_photo_without_a_face_is_refused_and_the_others_are_enrolled(writing, hopper):
    blank = io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(blank, "png")
    alone = writing.post("/v1/people", ("photo", blank.getvalue()), name="Ana")
    assert (alone.status, alone.json["photo"]) == (422, "photo1")
    first, second = writing.post(
        "/v1/people", ("photo", blank.getvalue()), ("photo", hopper.read_bytes()), name="Ana"
    ).json
    assert "no face" in first["error"]
    assert (second["photo"], second["error"]) == ("photo2", None)


def test_names_that_are_none_are_refused(writing, hopper):
    assert writing.post("/v1/people", ("photo", hopper.read_bytes())).status == 400
    assert writing.post("/v1/people", ("photo", hopper.read_bytes()), name="a" * 300).status == 400
    for k in ("0", "-1", "1.5", "many", "1" * 50, "²"):
        assert writing.post("/v1/search", ("photo", hopper.read_bytes()), k=k).status == 400
    assert renamed(writing, "Ana", "Bea").status == 404
    assert writing.send("PATCH", "/v1/people/Ana", b"{}").status == 415
    for body in (b"", b"[]", b"{}", b'{"name": 1}', b'{"name": "a\\nb"}', b"[" * 4000, b"\xff"):
        assert writing.send("PATCH", "/v1/people/Ana", body, Content_Type="application/json").status == 400


def test_without_permission_nothing_changes(verifier, model, address, hopper, tmp_path):
    photo = tmp_path / "ana.jpg"
    shutil.copy(hopper, photo)
    gallery = open_or_create_gallery(address, model)
    with running(verifier, gallery=GalleryReader(address, model)) as client:
        assert client.get("/v1/people").json == []
        list(enrol(gallery, verifier, [(str(photo), "Ana")]))  # another process does so
        assert client.get("/v1/people").json == [{"name": "Ana", "faces": 1}]
        assert client.post("/v1/identify", ("photo", hopper.read_bytes())).json[0]["name"] == "Ana"
        for answer in (
            client.post("/v1/people", ("photo", hopper.read_bytes()), name="Bea"),
            renamed(client, "Ana", "Bea"),
            client.send("DELETE", "/v1/people/Ana"),
        ):
            assert answer.status == 403
            assert "--write" in answer.json["detail"]
        shown = client.get("/v1/people/Ana/picture")
        with Image.open(io.BytesIO(shown.body)) as picture:
            difference = np.abs(np.asarray(picture).astype(int) - find_main_face(hopper)[1])
        assert difference.mean() < 5
        photo.write_bytes(photo.read_bytes() + b"\0")
        assert client.get("/v1/people/Ana/picture").status == 404
        assert client.get("/v1/people/..%2f..%2fetc%2fpasswd/picture").status == 404
