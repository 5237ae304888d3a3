import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import helper

from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError
from facesim.model import Model
from facesim.model_info import ModelInfo, info_from_metadata, info_to_metadata
from facesim.onnx_file import widened_network

FIELDS = [field.name for field in dataclasses.fields(ModelInfo)]
POINT = {"name": "best F1", "threshold": 0.3, "fmr": 0.01, "fnmr": 0.02, "genuine": 600, "impostor": 600}
MEASURED = {"data": "web", "group": "", "fmr": 0.02, "fnmr": None, "genuine": 60, "impostor": 600}
COUNTS = {"data": "web", "step": 0.5, "genuine": [5, 1, 0, 0], "impostor": [0, 2, 3, 1]}
POINT_CHANGES = [
    {"name": 1},
    {"threshold": None},
    {"fmr": 1.1},
    {"fnmr": -0.1},
    {"genuine": -1},
    {"impostor": 1.5},
    {"x": 1},
    {"measured": 1},
    {"measured": [{"data": "web"}]},
    {"measured": [MEASURED | {"fmr": 2}]},
    {"measured": [MEASURED | {"group": None}]},
    {"measured": [MEASURED | {"impostor": -1}]},
    {"measured": [MEASURED | {"x": 1}]},
    {"measured": [MEASURED] * 2000},
]


def test_the_model_that_ships_says_all_that_a_verdict_needs(model):
    info = model.info
    assert 0 < info.threshold < 2
    assert info.distance == "euclidean"
    assert info.crop_size == CROP_SIZE
    assert info.operating_points
    assert info.trained_on
    assert info.probability(0) > 0.9 > 0.1 > info.probability(2)


def test_embeddings_have_unit_length(model, crops):
    embeddings = model.embed(crops)
    assert embeddings.shape == (4, model.embedding_size)
    assert embeddings.dtype == np.float32
    assert np.abs(np.linalg.norm(embeddings, axis=1) - 1).max() < 1e-5


def test_an_embedding_does_not_depend_on_its_company(model, crops):
    together = model.embed(crops)
    assert np.array_equal(model.embed(crops[::-1])[::-1], together)
    for crop, embedding in zip(crops, together, strict=True):
        assert np.array_equal(model.embed(crop[None])[0], embedding)
    assert model.embed(crops[:0]).shape == (0, model.embedding_size)


def test_a_face_is_nearer_to_its_mirror_image_than_to_another_person(model, crops):
    first, second, first_mirrored, second_mirrored = model.embed(crops)
    mirrored = max(np.linalg.norm(first - first_mirrored), np.linalg.norm(second - second_mirrored))
    assert mirrored < np.linalg.norm(first - second)


def test_what_is_stored_is_what_is_read_back(model):
    info = dataclasses.replace(model.info, threshold=0.123, trained_on={"data": "näme", "people": ["Ana"]})
    assert info_from_metadata(info_to_metadata(info), model.path) == info


@pytest.mark.parametrize("field", [field for field in FIELDS if field != "distances"])
def test_a_model_file_that_lacks_a_field_is_refused_with_the_fields_name(write_model, refuses, field):
    path = write_model(**{field: None})
    with refuses(path) as caught:
        Model(path)
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        *(("threshold", text) for text in ('"abc"', "abc", "", "NaN", "Infinity", "true", "null", "1" + "0" * 400)),
        ("distance", '"cosine"'),
        ("crop_size", "224"),
        ("crop_margin", "0.5"),
        ("format", "2"),
        ("calibration", "[1]"),
        ("calibration", "[1, NaN]"),
        ("calibration", "3"),
        ("operating_points", '[{"name": "best F1"}]'),
        ("operating_points", "[" * 100_000),
        ("threshold", "2.1"),
        ("threshold", "-0.1"),
        ("calibration", "[1, 1]"),
        ("operating_points", "[1]"),
        ("operating_points", '{"name": "best F1"}'),
        *(("operating_points", f"[{json.dumps(POINT | change)}]") for change in POINT_CHANGES),
        ("operating_points", json.dumps([POINT] * 2000)),
        ("trained_on", "7"),
        ("trained_on", '{"train_identities": "Ana"}'),
        ("trained_on", '{"test_identities": [1]}'),
        ("trained_on", '{"train_identities": null}'),
        ("trained_on", '{"settings": []}'),
        ("trained_on", '{"settings": {"backbone": 1}}'),
        ("trained_on", '{"settings": {"data": {"a": 1}}}'),
        ("trained_on", '{"data": [[]]}'),
        ("trained_on", '{"begun_from": 1}'),
        ("trained_on", '{"begun_from": {"validation_identities": 1}}'),
        ("trained_on", '{"begun_from": ' * 200 + "{}" + "}" * 200),
        *(("distances", text) for text in ("null", "[]", "{}")),
        *(
            ("distances", json.dumps(COUNTS | change))
            for change in ({"step": 0}, {"step": 0.3}, {"step": 1e-9}, {"genuine": [1]}, {"impostor": [-1, 0, 0, 0]})
        ),
    ],
    ids=lambda value: value[:12],
)
def test_a_model_file_whose_field_makes_no_sense_is_refused_with_the_fields_name(write_model, refuses, field, text):
    path = write_model(**{field: text})
    with refuses(path) as caught:
        Model(path)
    assert field in str(caught.value)


def test_a_model_begun_from_a_model_begun_from_others_is_read(write_model):
    trained_on = {
        "data": ["lfw", "pins"],
        "train_identities": ["Ana"],
        "settings": {"data": "lfw", "backbone": "small"},
    }
    for _ in range(20):
        trained_on = trained_on | {"begun_from": trained_on}
    path = write_model(trained_on=json.dumps(trained_on), operating_points=json.dumps([POINT]))
    assert Model(path).info.trained_on == trained_on


def test_a_point_may_say_what_was_measured_elsewhere_and_one_that_does_not_is_stored_as_before(write_model, model):
    points = [POINT, POINT | {"measured": [MEASURED, MEASURED | {"group": "dark", "fmr": 0.1}]}]
    info = Model(write_model(operating_points=json.dumps(points))).info
    assert [point.worst and point.worst.group for point in info.operating_points] == [None, "dark"]
    assert json.loads(info_to_metadata(info)["facesim.operating_points"]) == points


def test_crops_of_another_kind_are_said_to_be_so(model):
    for crops in (np.zeros((1, 160, 160, 3)), np.zeros((160, 160, 3), np.uint8), np.zeros((1, 10, 10, 3), np.uint8)):
        with pytest.raises(FaceSimError, match="cannot be embedded"):
            model.embed(crops)


def test_a_file_may_say_how_many_pairs_lie_at_which_distance(write_model, model):
    counts = Model(write_model(distances=json.dumps(COUNTS))).info.distances
    assert (counts.step, counts.genuine, counts.impostor) == (0.5, (5, 1, 0, 0), (0, 2, 3, 1))
    assert Model(write_model(distances=None)).info.distances is None
    for point in model.info.operating_points:
        for stated, found in zip((point.fmr, 1 - point.fnmr), _matching(model.info.distances, point), strict=True):
            assert found[0] <= stated <= found[1]


def _matching(counts, point):
    """The shares of impostor and genuine pairs below the multiples of a step on both sides of a threshold."""
    entry = int(point.threshold / counts.step)
    return [[sum(kind[:end]) / sum(kind) for end in (entry, entry + 1)] for kind in (counts.impostor, counts.genuine)]


def test_what_is_not_a_whole_model_file_is_refused_by_name(broken_model, refuses):
    with refuses(broken_model):
        Model(broken_model)


def test_an_onnx_file_of_another_kind_is_refused_as_such(write_model, refuses):
    path = write_model(**dict.fromkeys(FIELDS))
    with refuses(path) as caught:
        Model(path)
    assert "not one of facesim's" in str(caught.value)


@pytest.mark.parametrize("shape", [{"size": 224}, {"averaged": [1]}], ids=["larger crops", "embeddings of two axes"])
def test_a_network_of_another_shape_is_refused(write_model, refuses, shape):
    path = write_model(**shape)
    with refuses(path):
        Model(path)


def test_a_pickled_model_is_opened_again_by_its_path(write_model, monkeypatch, crops):
    path = write_model()
    monkeypatch.chdir(path.parent)
    model = Model(path.name, quick=True)
    monkeypatch.chdir("/")
    pickled = pickle.dumps(model)
    assert len(pickled) < 1000
    assert np.array_equal(pickle.loads(pickled).embed(crops), model.embed(crops))
    assert pickle.loads(pickled) is pickle.loads(pickled)


def test_another_network_than_the_one_that_was_opened_is_not_sent_nor_used(write_model, refuses):
    path = write_model(name="sent.onnx")
    model = Model(path)
    pickled = pickle.dumps(model)
    write_model(name="sent.onnx", averaged=(2, 1))
    with refuses(path):
        pickle.loads(pickled)
    with refuses(path):
        pickle.dumps(model)
    path.unlink()
    with refuses(path):
        pickle.dumps(model)


STOPPED = """
import os, signal, sys, threading
import numpy as np
import facesim.model
facesim.model.MAX_RUN = 1.0
model = facesim.model.Model(sys.argv[1])
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGSTOP)).start()
model.embed(np.ones((1, 160, 160, 3), np.uint8))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process is stopped here")
def test_a_process_that_was_stopped_does_not_blame_its_model(write_model):
    path = write_model()
    file = onnx.load(path)
    file.graph.initializer.append(onnx.numpy_helper.from_array(np.full((600, 600), 1e-3, np.float32), "ones"))
    names = ["ones", *(f"product{i}" for i in range(60))]  # some 0.3 seconds of work
    products = [helper.make_node("MatMul", [before, "ones"], [after]) for before, after in pairwise(names)]
    file.graph.node.extend([*products, helper.make_node("ReduceMean", [names[-1]], ["mean"], keepdims=0)])
    file.graph.node.append(helper.make_node("Add", ["unit", "mean"], ["embeddings"]))
    file.graph.node[2].output[0] = "unit"
    path.write_bytes(file.SerializeToString())
    child = subprocess.Popen([sys.executable, "-c", STOPPED, str(path)], stderr=subprocess.PIPE)
    try:
        assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
        time.sleep(1.5)
        child.send_signal(signal.SIGCONT)
        _, said = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, said


def test_the_probability_is_the_logistic_of_the_distance(model):
    info = dataclasses.replace(model.info, calibration=(2.0, -4.0))
    assert info.probability(0.5) == 0.5
    assert info.probability(0) == pytest.approx(1 / (1 + np.exp(-2)))
    assert info.probability(2) == pytest.approx(1 / (1 + np.exp(6)))


@pytest.mark.parametrize("calibration", [None, (1e6, -1e9), (-1e6, -1e9), (0.0, -1e308)])
def test_the_probability_never_rises_with_the_distance_nor_overflows(model, calibration):
    info = model.info if calibration is None else dataclasses.replace(model.info, calibration=calibration)
    probabilities = [info.probability(percent / 100) for percent in range(201)]
    assert all(0 <= later <= earlier <= 1 for earlier, later in pairwise(probabilities))


def halved(file: onnx.ModelProto) -> onnx.ModelProto:
    """Multiply the mean colours by weights that are stored in half precision."""
    weights = onnx.numpy_helper.from_array(np.array([0.5, 2.0, 0.125], np.float16), "half")
    file.graph.initializer.append(weights)
    file.graph.node.insert(2, helper.make_node("Cast", ["half"], ["single"], to=onnx.TensorProto.FLOAT))
    file.graph.node.insert(3, helper.make_node("Mul", ["colours", "single"], ["weighed"]))
    file.graph.node[4].input[0] = "weighed"
    return file


def test_weights_of_half_precision_are_widened_and_nothing_else_is_changed(write_model):
    path = write_model()
    path.write_bytes(halved(onnx.load(path)).SerializeToString())
    expected, widened = onnx.load(path), onnx.load_from_string(widened_network(path))
    (tensor,) = widened.graph.initializer
    assert onnx.numpy_helper.to_array(tensor).tolist() == [0.5, 2.0, 0.125]
    assert tensor.data_type == onnx.TensorProto.FLOAT
    del expected.graph.initializer[:], widened.graph.initializer[:]
    assert widened == expected
    crops = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), np.uint8)
    assert Model(path).embed(crops) == pytest.approx(Model(path, quick=True).embed(crops), abs=1e-6)


def test_half_a_number_of_half_precision_is_a_damaged_file(write_model, refuses):
    path = write_model()
    file = halved(onnx.load(path))
    file.graph.initializer[0].raw_data += b"\0"
    path.write_bytes(file.SerializeToString())
    for quick in (False, True):
        with refuses(path):
            Model(path, quick=quick).embed(np.zeros((1, 160, 160, 3), np.uint8))
