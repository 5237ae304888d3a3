"""Join a localiser and a recogniser in one graph: crops in, embeddings and poses out."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from onnx.utils import Extractor

from facesim.adoption.face_input import FaceInput
from facesim.adoption.recogniser import Recogniser, at_opset
from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError


def read_localiser(path: Path) -> onnx.ModelProto:
    """Extract the localiser, from `crops` to `poses`, from a model file.

    Raises FaceSimError if it has none.
    """
    try:
        return Extractor(onnx.load(path)).extract_model(["crops"], ["poses"])
    except (ValueError, KeyError) as error:
        raise FaceSimError(f"{path} does not say where it finds faces in crops: get a newer one.") from error


def join(localiser: onnx.ModelProto, recogniser: Recogniser, reads: FaceInput) -> onnx.ModelProto:
    """Return the graph from `crops` (n, 160, 160, 3) uint8 to `embeddings` (n, d) of unit length and `poses` (n, 4).

    The recogniser's input is as in `reads`, black outside the crop. n is 1 if it takes one face at a time.
    """
    first = at_opset(localiser, recogniser.opset)
    second = compose.add_prefix(recogniser.proto, "recogniser.")
    (faces,), (described,) = second.graph.input, second.graph.output

    constants = {
        "facesim.grid": reads.template.grid(recogniser.width, recogniser.height),
        "facesim.shape": np.array([-1, recogniser.height, recogniser.width, 2]),
        "facesim.channels": np.array([0, 1, 2] if reads.channels == "rgb" else [2, 1, 0]),
        "facesim.mean": np.array(reads.mean, np.float32).reshape(-1, 1, 1),
        "facesim.scale": np.array(reads.scale, np.float32).reshape(-1, 1, 1),
    }
    nodes = [
        *first.graph.node,
        # a matrix product with a constant grid, so that the batch size stays free
        *_chain("poses", "facesim.places", ("MatMul", ["facesim.grid"], {}), ("Reshape", ["facesim.shape"], {})),
        *_chain(
            "crops",
            faces.name,
            ("Cast", [], {"to": TensorProto.FLOAT}),
            ("Transpose", [], {"perm": (0, 3, 1, 2)}),
            ("GridSample", ["facesim.places"], {"padding_mode": "zeros", "align_corners": 0}),
            ("Gather", ["facesim.channels"], {"axis": 1}),
            ("Sub", ["facesim.mean"], {}),
            ("Mul", ["facesim.scale"], {}),
            ("Transpose", [], {"perm": (0, 2, 3, 1) if recogniser.channels_last else (0, 1, 2, 3)}),
            ("Cast", [], {"to": recogniser.element}),
        ),
        *second.graph.node,
        *_chain(
            described.name,
            "embeddings",
            ("Cast", [], {"to": TensorProto.FLOAT}),
            ("Flatten", [], {"axis": 1}),
            ("LpNormalization", [], {"axis": 1, "p": 2}),
        ),
    ]
    count = 1 if recogniser.one_by_one else "n"
    graph = helper.make_graph(
        nodes,
        "adopted",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, [count, CROP_SIZE, CROP_SIZE, 3])],
        [
            helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [count, recogniser.embedding_size]),
            helper.make_tensor_value_info("poses", TensorProto.FLOAT, [count, 4]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()]
        + [*first.graph.initializer, *second.graph.initializer],
    )
    for node in graph.node:  # notes on the code that it came from
        node.ClearField("doc_string")
        del node.metadata_props[:]
    used = {node.domain for node in graph.node}
    opsets = {entry.domain: entry for part in (first, second) for entry in part.opset_import if entry.domain in used}
    return helper.make_model(
        graph,
        producer_name="facesim adopt",
        ir_version=max(first.ir_version, second.ir_version),
        opset_imports=list(opsets.values()),
    )


def _chain(start: str, end: str, *steps: tuple[str, list[str], dict]) -> list[onnx.NodeProto]:
    """Return the nodes that lead from `start` to `end`: each step an operator, its further inputs, its attributes."""
    values = [start, *(f"facesim.{end}.{i}" for i in range(1, len(steps))), end]
    return [
        helper.make_node(operator, [value, *inputs], [result], **attributes)
        for (operator, inputs, attributes), value, result in zip(steps, values, values[1:], strict=False)
    ]
