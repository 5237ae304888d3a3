"""Recognisers to adopt: ONNX files that the tests write."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.utils import Extractor


@pytest.fixture
def write_recogniser(tmp_path):
    """Writes a recogniser of 8×8 faces whose embedding is its input, number by number."""

    def write(shape=("n", 3, 8, 8), opset=17, element=TensorProto.FLOAT, nodes=(), weights=(), outputs=1):
        if not nodes:
            nodes = [helper.make_node("Flatten", ["faces"], ["embedding"])]
        nodes = [*nodes, helper.make_node("Neg", ["embedding"], ["other"])]
        graph = helper.make_graph(
            nodes,
            "as it is",
            [helper.make_tensor_value_info("faces", element, shape)],
            [helper.make_tensor_value_info(name, element, None) for name in ("embedding", "other")[:outputs]],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(weights).items()],
        )
        file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.save(file, tmp_path / "recogniser.onnx")
        return tmp_path / "recogniser.onnx"

    return write


@pytest.fixture(scope="session")
def mobilefacenet(model, tmp_path_factory):
    """The MobileFaceNet in the model that ships, alone: RGB, v / 256, `(n, 3, 112, 112)` to `(n, 192)`."""
    whole = shape_inference.infer_shapes(onnx.load(model.path))
    faces = [node.output[0] for node in whole.graph.node if node.op_type == "GridSample"][-1]
    descriptors = [node.input[0] for node in whole.graph.node if node.op_type == "ReduceL2"][-1]
    path = tmp_path_factory.mktemp("recogniser") / "mobilefacenet.onnx"
    onnx.save(Extractor(whole).extract_model([faces], [descriptors]), path)
    return path
