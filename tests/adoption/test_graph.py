import dataclasses
import math

import numpy as np
import onnx
import onnx.inliner
import onnxruntime
import pytest
from onnx import TensorProto, helper

from facesim.adoption.face_input import FACE_INPUTS, FaceInput, Template
from facesim.adoption.graph import join, read_localiser
from facesim.adoption.recogniser import read_recogniser
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.photo import open_photo

WIDE = Template(40.0 + 5j, -65 - 75j, 8)  # tilted, and so wide that some pixels lie outside the crop
READS = FaceInput(WIDE, "rgb", (10.0, 20.0, 30.0), (1 / 64, 1 / 128, 1 / 256))


@pytest.fixture(scope="module")
def localiser(model):
    return read_localiser(model.path)


@pytest.fixture(scope="module")
def crops(hopper, collins):
    photos = [open_photo(path) for path in (hopper, collins)]
    return np.stack([centre_crop(cut_wide_crop(photo, find_faces(photo)[0])) for photo in photos])


def adopted(localiser, path, reads=READS):
    recogniser = read_recogniser(path, 18, reads.template.size)
    proto = join(localiser, recogniser, reads)
    onnx.checker.check_model(proto, full_check=True)
    return onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def sampled(crop, pose, template, size):
    """Sample the recogniser's input out of a crop, pixel by pixel: `(size, size, 3)`, 0..255."""
    a, b, x, y = pose
    face = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            chip = template.scale * complex(column, row) + template.offset
            q = (chip + 0.5 + 0.5j) / 75 - (1 + 1j)
            c = complex(a, b) * q + complex(x, y)
            left, top = (c.real + 1) * 80 - 0.5, (c.imag + 1) * 80 - 0.5
            for i in (math.floor(top), math.floor(top) + 1):
                for j in (math.floor(left), math.floor(left) + 1):
                    if 0 <= i < 160 and 0 <= j < 160:
                        face[row, column] += (1 - abs(top - i)) * (1 - abs(left - j)) * crop[i, j].astype(float)
    return face


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ({}, READS),
        ({"shape": ("None", 3, 8, 8)}, READS),
        ({"shape": (1, 3, 8, 8)}, READS),
        ({"shape": ("n", 3, "h", "w")}, READS),
        ({"shape": ("n", 8, 8, 3)}, READS),
        ({"element": TensorProto.FLOAT16}, READS),
        ({"opset": 9}, READS),
        ({"opset": 21}, READS),
        ({"outputs": 2}, READS),
        ({}, dataclasses.replace(READS, channels="bgr")),
        ({}, dataclasses.replace(READS, mean=(127.5,), scale=(1 / 128,))),
        ({"shape": ("n", 3, 6, 6)}, dataclasses.replace(READS, template=WIDE.resized(6))),
    ],
)
def test_the_recogniser_sees_the_straightened_face_as_it_wants_it(localiser, write_recogniser, crops, written, reads):
    session = adopted(localiser, write_recogniser(**written), reads)
    size = reads.template.size
    for crop in crops:
        embeddings, poses = session.run(["embeddings", "poses"], {"crops": crop[None]})
        face = sampled(crop, poses[0], reads.template, size)
        assert (face == 0).all(2).any()
        face = face[..., ::-1] if reads.channels == "bgr" else face
        face = (face - np.array(reads.mean)) * np.array(reads.scale)
        expected = (face if written.get("shape", "")[-1:] == (3,) else face.transpose(2, 0, 1)).ravel()
        assert np.abs(embeddings[0] - expected / np.linalg.norm(expected)).max() < 1e-3


def test_it_points_where_the_shipped_model_points(localiser, write_recogniser, crops, model):
    ours = adopted(localiser, write_recogniser()).run(["poses"], {"crops": crops})[0]
    theirs = onnxruntime.InferenceSession(model.path).run(["poses"], {"crops": crops})[0]
    assert np.abs(ours - theirs).max() < 1e-5
    assert np.abs(ours[0] - ours[1]).max() > 1e-3


def test_any_number_of_crops_passes_at_once_unless_the_recogniser_takes_one(localiser, write_recogniser, crops):
    free = adopted(localiser, write_recogniser())
    assert free.run(["embeddings"], {"crops": crops})[0].shape == (2, 192)
    one = adopted(localiser, write_recogniser(shape=(1, 3, 8, 8)))
    assert one.get_inputs()[0].shape == [1, 160, 160, 3]


def test_the_shipped_models_own_recogniser_comes_back_as_its_part_of_the_embedding(
    localiser, mobilefacenet, crops, model
):
    reads = FaceInput(FACE_INPUTS["sirius"].template, "rgb", (0.0,), (1 / 256,))
    (embeddings,) = adopted(localiser, mobilefacenet, reads).run(["embeddings"], {"crops": crops})
    part = model.embed(crops)[:, -embeddings.shape[1] :]
    assert np.abs(embeddings - part / np.linalg.norm(part, axis=1, keepdims=True)).max() < 1e-3


def test_a_prelu_is_written_out_and_stays_the_same_function(write_recogniser):
    slopes = np.array([-9.0, 0.25, 2.0], np.float32).reshape(3, 1, 1)
    nodes = [
        helper.make_node("PRelu", ["faces", "slopes"], ["bent"]),
        helper.make_node("Flatten", ["bent"], ["embedding"]),
    ]
    proto = read_recogniser(write_recogniser(nodes=nodes, weights={"slopes": slopes}), 18).proto
    assert "PRelu" not in [node.op_type for node in proto.graph.node]
    faces = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    (bent,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"faces": faces})
    expected = np.where(faces > 0, faces, slopes * faces)
    assert np.abs(bent.reshape(faces.shape) - expected).max() < 1e-5


def test_what_no_recogniser_reads_or_gives_is_refused(write_recogniser, refuses):
    for written, said in (
        ({"shape": (8, 3, 8, 8)}, "8 faces at a time"),
        ({"shape": ("n", 1, 8, 8)}, "reads n×1×8×8 FLOAT: a recogniser reads colour pictures"),
        ({"shape": ("n", 3, 8)}, "colour pictures"),
        ({"element": TensorProto.UINT8}, "UINT8"),
        ({"shape": ("n", 3, "h", "w")}, "does not say how large"),
        ({"nodes": [helper.make_node("ReduceSum", ["faces"], ["embedding"])]}, "no embedding"),
        ({"nodes": [helper.make_node("Identity", ["nothing"], ["embedding"])]}, "cannot be run by ONNX Runtime"),
        ({"opset": 6}, "opset 6"),
    ):
        path = write_recogniser(**written)
        with refuses(path) as caught:
            read_recogniser(path, 18)
        assert said in str(caught.value)


def test_what_the_file_leaves_open_is_settled(write_recogniser):
    recogniser = read_recogniser(write_recogniser(shape=("n", "h", "w", 3)), 18, 8)
    dims = recogniser.proto.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [0, 8, 8, 3]
    assert (recogniser.channels_last, recogniser.embedding_size) == (True, 192)


def test_two_inputs_are_refused(write_recogniser, refuses):
    path = write_recogniser()
    proto = onnx.load(path)
    proto.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    onnx.save(proto, path)
    with refuses(path) as caught:
        read_recogniser(path, 18)
    assert "2 inputs" in str(caught.value)


def test_weights_in_another_file_are_refused_and_can_be_brought_into_one(mobilefacenet, tmp_path, refuses):
    apart, whole = tmp_path / "apart.onnx", tmp_path / "whole.onnx"
    onnx.save(onnx.load(mobilefacenet), apart, save_as_external_data=True, location="weights")
    with refuses(apart) as caught:
        read_recogniser(apart, 18)
    assert "onnx.save(onnx.load(old), new)" in str(caught.value)
    onnx.save(onnx.load(apart), whole)
    assert read_recogniser(whole, 18).embedding_size == read_recogniser(mobilefacenet, 18).embedding_size


def test_branches_are_refused(write_recogniser, refuses):
    branch = helper.make_graph(
        [helper.make_node("Flatten", ["faces"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    nodes = [helper.make_node("If", ["yes"], ["embedding"], then_branch=branch, else_branch=branch)]
    path = write_recogniser(nodes=nodes, weights={"yes": True})
    with refuses(path) as caught:
        read_recogniser(path, 18)
    assert "loops or branches" in str(caught.value)


def test_functions_are_refused_and_can_be_written_out(write_recogniser, tmp_path, refuses):
    path, plain = write_recogniser(), tmp_path / "plain.onnx"
    proto = onnx.load(path)
    twice = [helper.make_node("Add", ["x", "x"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("own", "Twice", ["x"], ["y"], twice, opsets))
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.graph.node[0].input[0] = "doubled"
    proto.graph.node.insert(0, helper.make_node("Twice", ["faces"], ["doubled"], domain="own"))
    onnx.save(proto, path)
    with refuses(path) as caught:
        read_recogniser(path, 18)
    assert "inline_local_functions" in str(caught.value)
    onnx.save(onnx.inliner.inline_local_functions(onnx.load(path)), plain)
    assert read_recogniser(plain, 18).embedding_size == 192


def test_a_model_that_does_not_say_where_faces_are_has_no_localiser(write_model, refuses):
    path = write_model()
    with refuses(path):
        read_localiser(path)


def test_damaged_files_are_refused(broken_model, refuses):
    with refuses(broken_model):
        read_recogniser(broken_model, 18)
