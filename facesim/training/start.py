"""Starting weights: build the network that a run begins with."""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError
from facesim.model import Model
from facesim.training.backbones import Affine, load_imagenet_weights
from facesim.training.dlib_weights import load_dlib_weights
from facesim.training.network import Localiser, Recogniser, SiameseNet
from facesim.training.settings import Settings

LARGEST_DIFFERENCE = 1e-3  # between a model file's embeddings and those of the network read from it


def starting_network(settings: Settings) -> SiameseNet:
    """Build the network and fill it with the weights that `init` names; the rest is drawn by the seed.

    Raises FaceSimError where those weights cannot be had.
    """
    torch.manual_seed(settings.seed)
    if settings.start == "MODEL.onnx":
        return read_network(Path(settings.init), settings.backbone)
    norm = Affine if settings.start == "dlib" else nn.BatchNorm2d
    net = SiameseNet(Recogniser(settings.backbone, norm))
    if settings.start == "dlib":
        load_dlib_weights(net.recogniser)
    elif settings.start == "imagenet":
        load_imagenet_weights(net.recogniser.features, settings.backbone)
    return net


def read_network(path: Path, backbone: str) -> SiameseNet:
    """Read a network out of a model file; its normalisation is fixed there, and so comes back as part of the weights.

    Raises FaceSimError when the file is not a model with this backbone.
    """
    model = Model(path)
    stored = model.info.trained_on.get("settings", {}).get("backbone", "facesim")
    if stored != backbone:
        raise FaceSimError(f"{path} has the backbone {stored}: add --backbone {stored} to go on from it.")
    net = SiameseNet(Recogniser(backbone, Affine), Localiser(Affine)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    weights = _weights_in_order(onnx.load(path).graph)
    fits = True
    with torch.inference_mode():
        layers = _layers_in_order(net, torch.from_numpy(crops))
    with torch.no_grad():
        for layer, norm in layers:
            # of one size, weights lie one behind the other on the graph's way, so the first is the right one
            found = next((i for i, (weight, _) in enumerate(weights) if weight.shape == layer.weight.shape), None)
            if found is None:
                fits = False
                break
            weight, bias = weights.pop(found)
            layer.weight.copy_(weight)
            for target in (layer, norm):
                if target is not None and target.bias is not None:
                    target.bias.zero_()
            if bias is not None:
                (norm or layer).bias.copy_(bias.view_as((norm or layer).bias))
    if fits:
        with torch.inference_mode():
            difference = np.abs(net.embed(torch.from_numpy(crops)).numpy() - model.embed(crops)).max()
        fits = difference <= LARGEST_DIFFERENCE
    if not fits:
        raise FaceSimError(f"{path} holds a network that facesim train did not write: it cannot be trained further.")
    return net


def _layers_in_order(net: SiameseNet, crops: torch.Tensor) -> list[tuple[nn.Module, Affine | None]]:
    """Return convolutions and linear layers as `net` passes through them, each with the Affine behind it, if any."""
    layers = []

    def passed(layer, inputs, output):
        if isinstance(layer, Affine):
            layers[-1] = (layers[-1][0], layer)
        else:
            layers.append((layer, None))

    kinds = (nn.Conv2d, nn.Linear, Affine)
    hooks = [layer.register_forward_hook(passed) for layer in net.modules() if isinstance(layer, kinds)]
    net.describe(net.normalise(crops))
    for hook in hooks:
        hook.remove()
    return layers


def _weights_in_order(graph: onnx.GraphProto) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return weights and biases of the convolutions and linear layers, in the order of the graph's nodes."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    found = []
    for node in graph.node:
        if not node.op_type.endswith(("Conv", "Gemm")) or node.input[1] not in tensors:
            continue
        weight = torch.from_numpy(onnx.numpy_helper.to_array(tensors[node.input[1]]).copy())
        if node.op_type.endswith("Gemm") and not any(a.name == "transB" and a.i for a in node.attribute):
            weight = weight.T
        biased = len(node.input) > 2 and node.input[2] in tensors
        bias = torch.from_numpy(onnx.numpy_helper.to_array(tensors[node.input[2]]).copy()) if biased else None
        found.append((weight, bias))
    return found
