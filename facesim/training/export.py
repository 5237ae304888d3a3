"""Write the model file: the network as one ONNX graph, with all that a verdict needs as its metadata."""

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxscript
import torch
from torch import nn

from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError
from facesim.files import write_whole
from facesim.model import Model
from facesim.model_info import ModelInfo, info_to_metadata
from facesim.training.folding import fold
from facesim.training.network import SiameseNet
from facesim.training.onnx_folding import fold_constants

OPSET = 18
MAX_DIFFERENCE = 1e-4  # between ONNX Runtime's embeddings and PyTorch's
WEIGHT_PREFIX = "net."  # of the names that the exporter gives the network's weights
HALF_PRECISION_FROM = 1024  # numbers in a tensor of weights; smaller ones, biases above all, are worth no conversion

_graphs: dict[tuple, onnx.ModelProto] = {}  # traced, by how the network is built


class _Embedder(nn.Module):
    def __init__(self, net: SiameseNet):
        super().__init__()
        self.net = net

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.embed_with_poses(crops)


def export(net: SiameseNet, info: ModelInfo, path: Path) -> Path:
    """Write `net` and `info` to `path`: uint8 crops `(n, 160, 160, 3)` in, unit embeddings and poses out, any `n`.

    Weights are stored in half precision, each under its name in the network, whose normalisation is part of them.

    The file takes its place only once its embeddings equal those of the network with such weights to 1e-4; else
    FaceSimError is raised.
    """
    net = fold(copy.deepcopy(net).cpu().to(memory_format=torch.contiguous_format))
    with torch.no_grad():
        for weights in net.parameters():
            if weights.numel() >= HALF_PRECISION_FROM:
                weights.copy_(weights.half())
    crops = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, CROP_SIZE, CROP_SIZE, 3), np.uint8))
    proto = _with_weights(_traced_once(net, crops), net)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, info_to_metadata(info))
    with write_whole(path) as scratch:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(_halved(fold_constants(proto), {WEIGHT_PREFIX + name for name in net.state_dict()}), scratch)
        with torch.inference_mode():
            expected = net.embed(crops).numpy()
        try:
            difference = np.abs(Model(scratch).embed(crops.numpy()) - expected).max()
        except FaceSimError as error:
            reason = str(error).replace(str(scratch), "the file")
            raise FaceSimError(f"{path} was not written: {reason}") from error
        if not difference <= MAX_DIFFERENCE:
            raise FaceSimError(f"{path} was not written: ONNX Runtime differs from PyTorch by {difference:.1e}.")
    return path


def _traced_once(net: SiameseNet, crops: torch.Tensor) -> onnx.ModelProto:
    """Return the graph of `net`, with any weights: networks of one architecture, such as a run's folds, share it."""
    built = (str(net), net.mirror, *((part.window, part.constant, part.share) for part in net.recognisers))
    if built not in _graphs:
        program = torch.onnx.export(
            _Embedder(net).eval(),
            (crops,),
            input_names=["crops"],
            output_names=["embeddings", "poses"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # what can be left out depends on the weights
            verbose=False,
        )
        assert program is not None  # it is None only for a path
        _graphs[built] = program.model_proto
    return _graphs[built]


def _with_weights(traced: onnx.ModelProto, net: SiameseNet) -> onnx.ModelProto:
    """Return a traced graph with the weights of `net`, simplified."""
    proto = onnx.ModelProto()
    proto.CopyFrom(traced)
    weights = {WEIGHT_PREFIX + name: tensor.numpy() for name, tensor in net.state_dict().items()}
    for tensor in proto.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name], tensor.name))
    return onnxscript.optimizer.optimize(proto)


def _halved(proto: onnx.ModelProto, names: set[str]) -> onnx.ModelProto:
    """Store the large ones of the weights called `names`, which half precision holds exactly, in it."""
    graph, casts = proto.graph, []
    for tensor in graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if tensor.name in names and weights.size >= HALF_PRECISION_FROM:
            stored, name = tensor.name.removeprefix(WEIGHT_PREFIX), tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    graph.node.extend(casts)
    for _ in casts:  # to the front: a graph's nodes stand in the order in which they run
        graph.node.insert(0, graph.node.pop())
    return proto
