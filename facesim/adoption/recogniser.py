"""Read a recogniser from an ONNX file, and prepare it to be part of a model file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper, version_converter

from facesim.errors import FaceSimError
from facesim.onnx_file import FUNCTIONS, WEIGHTS_OUTSIDE, unwanted_in
from facesim.training.onnx_folding import fold_constants

OLDEST_OPSET = 7  # before it, arithmetic had other broadcasting rules
MAX_DIFFERENCE = 1e-2  # of the output before and after, as a share of its largest number
_REMEDY = "export it as one plain graph, without control flow or custom layers"
_REMEDIES = {
    WEIGHTS_OUTSIDE: "in Python, onnx.save(onnx.load(old), new) brings them into one",
    FUNCTIONS: "in Python, onnx.save(onnx.inliner.inline_local_functions(onnx.load(old)), new) writes them out",
}
_TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.FLOAT16: np.float16}


@dataclass(frozen=True, slots=True)
class Recogniser:
    """A network from aligned faces to embeddings, and the format of its one input and one output."""

    proto: onnx.ModelProto
    sha256: str  # of the file
    width: int  # pixels
    height: int
    channels_last: bool  # faces are (n, height, width, 3), not (n, 3, height, width)
    element: int  # ONNX's number for the type of its input
    one_by_one: bool  # it takes one face at a time
    embedding_size: int

    @property
    def opset(self) -> int:
        return _opset(self.proto)


def read_recogniser(path: Path, opset: int, size: int | None = None) -> Recogniser:
    """Read the file at `path`, in `opset` or a newer one, with constants folded and PReLUs written out.

    `size` is that of the square input if the file leaves it open.

    Raises FaceSimError if it is not a complete network from one picture to one embedding, or has what a model file must
    not have.
    """
    unwanted = unwanted_in(path)
    if unwanted:
        raise FaceSimError(
            f"{path} has {unwanted}, which a model file must not have: {_REMEDIES.get(unwanted, _REMEDY)}."
        )
    try:
        proto = onnx.load(path, load_external_data=False)
    except Exception as error:  # of protobuf's own kinds
        raise FaceSimError(f"{path} is not an ONNX model, or damaged: get a whole copy.") from error
    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    if len(inputs) != 1 or not proto.graph.output:
        raise FaceSimError(f"{path} has {len(inputs)} inputs: a recogniser reads one, pictures of faces.")
    # inputs that could replace weights, and further outputs, such as a face's norm
    del proto.graph.input[:], proto.graph.output[1:]
    proto.graph.input.extend(inputs)
    del proto.graph.value_info[:]
    proto.ir_version = max(proto.ir_version, 4)  # from which weights need not be inputs
    faces = proto.graph.input[0]
    width, height, channels_last, batch = _shape(path, faces, size)
    element = faces.type.tensor_type.elem_type

    sample = np.random.default_rng(0).normal(size=(1, *_order(height, width, channels_last)))
    sample = sample.astype(_TYPES[element])
    expected = _run(path, proto, sample)
    if expected.shape[:1] != (1,) or expected.size < 2 or not np.isfinite(expected).all():
        shape = "×".join(map(str, expected.shape)) or "no"
        raise FaceSimError(f"{path} gives {shape} numbers for a face, or NaN, or infinity: that is no embedding.")
    proto = _without_prelu(fold_constants(_at_opset(path, proto, opset)))
    difference = np.abs(_run(path, proto, sample) - expected).max() / np.abs(expected).max()
    if not difference <= MAX_DIFFERENCE:
        raise FaceSimError(f"{path} cannot be rewritten: its embeddings would change by {difference:.1%}.")
    return Recogniser(
        proto,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        width,
        height,
        channels_last,
        element,
        batch == 1,
        expected.size,
    )


def _order(height: int, width: int, channels_last: bool) -> tuple[int, int, int]:
    return (height, width, 3) if channels_last else (3, height, width)


def _shape(path: Path, faces: onnx.ValueInfoProto, size: int | None) -> tuple[int, int, bool, int]:
    """Return width and height of the input, whether its channels come last, and its batch size, 0 if that is free.

    Lengths that the file leaves open are set in `faces`.
    """
    kind = faces.type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else 0 for dim in kind.shape.dim]
    if kind.elem_type not in _TYPES or len(dims) != 4 or 3 not in (dims[1], dims[3]):
        shape = "×".join(str(dim or "n") for dim in dims)
        raise FaceSimError(
            f"{path} reads {shape or 'no'} {onnx.TensorProto.DataType.Name(kind.elem_type)}: a recogniser reads colour "
            "pictures, n×3×112×112 or n×112×112×3, say, of floating-point numbers."
        )
    if dims[0] > 1:
        raise FaceSimError(f"{path} reads {dims[0]} faces at a time: export it for any number of them, or for one.")
    channels_last = dims[1] != 3
    height, width = (length or size or 0 for length in (dims[1:3] if channels_last else dims[2:]))
    if not width or not height:
        raise FaceSimError(f"{path} does not say how large a face it reads: export it for a fixed size.")
    for dim, length in zip(kind.shape.dim[1:], _order(height, width, channels_last), strict=True):
        dim.dim_value = length
    return width, height, channels_last, dims[0]


def _run(path: Path, proto: onnx.ModelProto, faces: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        (embeddings,) = session.run(None, {session.get_inputs()[0].name: faces})
    except Exception as error:  # onnxruntime has a class of its own for every kind of error
        reason = str(error).splitlines()[0].rstrip(".")
        raise FaceSimError(f"{path} cannot be run by ONNX Runtime {onnxruntime.__version__}: {reason}.") from error
    return np.asarray(embeddings, np.float32)


def at_opset(proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return the same network in `opset`, or as it is in a newer one."""
    return proto if _opset(proto) >= opset else version_converter.convert_version(proto, opset)


def _at_opset(path: Path, proto: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    problem = None
    if _opset(proto) >= OLDEST_OPSET:
        try:
            return at_opset(proto, opset)
        except Exception as error:  # of the converter's own kinds
            problem = error
    raise FaceSimError(
        f"{path} is written in ONNX opset {_opset(proto)}, which cannot be brought to {opset}: export it again with "
        f"opset_version={opset}."
    ) from problem


def _opset(proto: onnx.ModelProto) -> int:
    return max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=1)


def _without_prelu(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Write each PReLU of constant slope as ReLU(x) · (1 − slope) + x · slope, the same function.

    With ONNX Runtime's PRelu a MobileFaceNet takes 11.2 ms a face, with a sum 5.7 ms; the shorter sum
    ReLU(x) + slope · (x − ReLU(x)) takes longer.
    """
    weights = {tensor.name: tensor for tensor in proto.graph.initializer}
    nodes = []
    for node in proto.graph.node:
        if node.op_type != "PRelu" or node.input[1] not in weights:
            nodes.append(node)
            continue
        (x, slope), (y,) = node.input, node.output
        rest, above, first, second = (f"{y}/{part}" for part in ("rest", "above", "first", "second"))
        slopes = numpy_helper.to_array(weights[slope])
        proto.graph.initializer.append(numpy_helper.from_array(1 - slopes, rest))
        nodes += [
            helper.make_node("Relu", [x], [above]),
            helper.make_node("Mul", [above, rest], [first]),
            helper.make_node("Mul", [x, slope], [second]),
            helper.make_node("Add", [first, second], [y]),
        ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto
