"""Join a localiser and a recogniser to one graph: crops in, embeddings and poses out."""

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
    """Cut the localiser, from `crops` to `poses`, out of a model file.

    Raises FaceSimError where it has none.
    """
    try:
        return Extractor(onnx.load(path)).extract_model(["crops"], ["poses"])
    except (ValueError, KeyError) as error:
        raise FaceSimError(
            f"{path} does not say where it finds faces in crops: get the one of this facesim."
        ) from error


def join(localiser: onnx.ModelProto, recogniser: Recogniser, reads: FaceInput) -> onnx.ModelProto:
    """Return the graph from `crops` (n, 160, 160, 3) uint8 to `embeddings` (n, d) of unit length and `poses` (n, 4).

    The recogniser sees what `reads` says, black where it lies outside the crop. n is 1 where it takes a face at a time.
    """
    first = compose.add_prefix(
        at_opset(localiser, recogniser.opset), "localiser.", rename_inputs=False, rename_outputs=False
    )
    second = compose.add_prefix(recogniser.proto, "recogniser.")
    (faces,), (described,) = second.graph.input, second.graph.output

    size = (recogniser.height, recogniser.width)
    constants = {
        "grid": reads.template.grid(recogniser.width, recogniser.height),
        "grid.shape": np.array([-1, *size, 2]),
        "channels": np.array([0, 1, 2] if reads.channels == "rgb" else [2, 1, 0]),
        "mean": np.array(reads.mean, np.float32).reshape(-1, 1, 1),
        "scale": np.array(reads.scale, np.float32).reshape(-1, 1, 1),
    }
    look = [
        helper.make_node("MatMul", ["poses", "grid"], ["grid.flat"]),
        helper.make_node("Reshape", ["grid.flat", "grid.shape"], ["grid.posed"]),
        helper.make_node("Cast", ["crops"], ["crops.float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["crops.float"], ["pixels"], perm=(0, 3, 1, 2)),
        helper.make_node("GridSample", ["pixels", "grid.posed"], ["face"], padding_mode="zeros", align_corners=0),
        helper.make_node("Gather", ["face", "channels"], ["face.channels"], axis=1),
        helper.make_node("Sub", ["face.channels", "mean"], ["face.centred"]),
        helper.make_node("Mul", ["face.centred", "scale"], ["face.scaled"]),
        helper.make_node("Transpose", ["face.scaled"], ["face.ordered"], perm=_axes(recogniser.channels_last)),
        helper.make_node("Cast", ["face.ordered"], [faces.name], to=recogniser.element),
    ]
    describe = [
        helper.make_node("Cast", [described.name], ["described"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["described"], ["descriptors"], axis=1),
        helper.make_node("LpNormalization", ["descriptors"], ["embeddings"], axis=1, p=2),
    ]
    count = 1 if recogniser.one_by_one else "n"
    graph = helper.make_graph(
        [*first.graph.node, *look, *second.graph.node, *describe],
        "adopted",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, [count, CROP_SIZE, CROP_SIZE, 3])],
        [
            helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [count, recogniser.embedding_size]),
            helper.make_tensor_value_info("poses", TensorProto.FLOAT, [count, 4]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()]
        + [*first.graph.initializer, *second.graph.initializer],
    )
    for node in graph.node:  # where in whose code it came from
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


def _axes(channels_last: bool) -> tuple[int, ...]:
    return (0, 2, 3, 1) if channels_last else (0, 1, 2, 3)
