"""The API says what the command line says, and what its own description promises."""

import base64
import io

import numpy as np
import pytest
from openapi_spec_validator import validate
from PIL import Image
from serving import running

from facesim.detector.selection import cut_faces
from facesim.model import Model
from facesim.verifier import Verifier


@pytest.fixture(scope="module")
def photos(hopper, collins):
    return ("photo1", hopper.read_bytes()), ("photo2", collins.read_bytes())


@pytest.fixture(scope="module")
def both(hopper, collins):
    """A photo of two people, as a PNG."""
    with Image.open(hopper) as one, Image.open(collins) as other:
        picture = Image.new("RGB", (860, 600))
        picture.paste(one, (0, 0))
        picture.paste(other, (515, 100))
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def test_verify_says_what_the_verifier_says(client, verifier, hopper, collins, photos):
    said = client.post("/v1/verify", *photos).json
    verdict = verifier.verify(hopper, collins)
    expected = verdict.as_dict()
    for number in (1, 2):
        expected[f"face{number}"] |= {"photo": f"photo{number}", "warnings": []}
    assert {name: said[name] for name in expected if name != "model"} == {
        name: value for name, value in expected.items() if name != "model"
    }
    assert said["model"] == verifier.model.fingerprint
    assert said["text"]["verdict"] == "Different people."
    assert said["text"]["probability"].startswith(verdict.probability_text)


def test_verify_takes_a_threshold_an_fmr_and_boxes(client, photos, both, hopper, collins):
    assert client.post("/v1/verify", *photos, threshold=2).json["same"]
    assert client.post("/v1/verify", *photos, fmr=0.001).json["operating_point"]["name"] == "FMR 0.1 %"
    (_, other) = client.post("/v1/faces", ("photo", both)).json["faces"]
    edges = other["box"]
    x, y, w, h = edges["left"], edges["top"], edges["right"] - edges["left"], edges["bottom"] - edges["top"]
    chosen = client.post("/v1/verify", ("photo1", both), photos[1], box1=f"{x},{y},{w},{h}").json
    assert chosen["same"]
    assert chosen["distance"] < 0.2
    assert client.post("/v1/verify", ("photo1", both), photos[1], faces="all").json["same"]


def test_crops_and_all_faces_are_those_that_were_compared(client, photos, both, hopper):
    said = client.post("/v1/verify", ("photo1", both), photos[1], crops=1, all_faces=1).json
    kind, _, data = said["crop1"].partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as crop:
        (_, expected) = cut_faces(both)[0]
        assert np.array_equal(np.asarray(crop), expected)
    assert said["size1"] == [860, 600]
    assert len(said["faces1"]) == 2
    assert len(said["faces2"]) == 1
    assert said["face1"]["box"] in [face["box"] for face in said["faces1"]]


def test_embed_gives_the_verifiers_embeddings(client, verifier, hopper):
    (face,) = client.post("/v1/embed", ("photo", hopper.read_bytes())).json
    assert np.allclose(face["embedding"], verifier.embed([hopper]).embeddings[0])


def test_the_model_is_described(client, model):
    said = client.get("/v1/model").json
    assert said["threshold"] == model.info.threshold
    assert [point["name"] for point in said["operating_points"]] == [
        point.name for point in model.info.operating_points
    ]
    assert len(said["distances"]["genuine"]) == 2 / said["distances"]["step"]


def test_an_error_is_a_sentence_and_says_which_photo(client, photos):
    blank = io.BytesIO()
    Image.new("RGB", (300, 300), "grey").save(blank, "png")
    faceless = client.post("/v1/verify", photos[0], ("photo2", blank.getvalue()))
    said = faceless.json
    assert (faceless.status, said["photo"], said["type"]) == (422, "photo2", "/docs#no-face")
    assert said["detail"].startswith("no face was found in photo2: ")
    assert said["detail"].endswith(".")
    unreadable = client.post("/v1/verify", ("photo1", b"nothing"), photos[1])
    assert (unreadable.status, unreadable.json["photo"], unreadable.json["type"]) == (422, "photo1", "about:blank")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"threshold": 3}, "threshold"),
        ({"threshold": "low"}, "threshold"),
        ({"fmr": 0.5}, "operating point"),
        ({"box1": "1,2,3"}, "box"),
        ({"crops": "yes"}, "crops"),
        ({"treshold": 0.5}, "treshold"),
        ({"faces": "smallest"}, "faces"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(client, photos, fields, word):
    answer = client.post("/v1/verify", *photos, **fields)
    assert answer.status == 400
    assert word in answer.json["detail"]


def test_the_description_is_valid_and_names_each_address(client):
    document = client.get("/openapi.json").json
    validate(document)
    without_gallery = [
        path for path in document["paths"] if not path.startswith(("/v1/people", "/v1/identify", "/v1/search"))
    ]
    for path in without_gallery:
        for method in document["paths"][path]:
            assert client.send(method.upper(), path).status in (200, 415), path
    assert b"/v1/verify" in client.get("/docs").body
    assert client.get("/v1/nothing").status == 404
    assert client.get("/v1/verify").status == 405


def test_the_pages_files_are_there_and_nothing_else(client):
    assert client.get("/").headers.get_content_type() == "text/html"
    assert client.get("/static/style.css").headers.get_content_type() == "text/css"
    for path in ("/static/index.html", "/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        assert client.get(path).status == 404


def test_without_a_gallery_an_answer_says_how_to_open_one(client):
    answer = client.get("/v1/people")
    assert answer.status == 404
    assert "--gallery" in answer.json["detail"]


def test_a_head_request_has_no_body(client):
    answer = client.send("HEAD", "/health")
    assert (answer.status, answer.body) == (200, b"")


def test_a_model_file_that_is_replaced_changes_no_answer(write_model):
    path = write_model()
    fingerprint = Model(path).fingerprint
    with running(Verifier(path)) as client:
        write_model(averaged=(2, 3))
        assert client.get("/v1/model").json["fingerprint"] == fingerprint
