"""The start: build the network that a run begins with."""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from facesim.detector.crop import CROP_SIZE
from facesim.errors import FaceSimError
from facesim.model import Model, default_model
from facesim.model_info import ModelInfo
from facesim.training.backbones import Affine, load_imagenet_weights, parts_of
from facesim.training.dlib_weights import load_dlib_weights
from facesim.training.export import WEIGHT_PREFIX
from facesim.training.folding import fold
from facesim.training.mobilefacenet_weights import load_mobilefacenet_weights
from facesim.training.network import Localiser, Recogniser, SiameseNet
from facesim.training.settings import Settings

MAX_DIFFERENCE = 1e-3  # between a model file's embeddings and those of the network read from it
_SOURCES = {"resnet29": load_dlib_weights, "mobilefacenet": load_mobilefacenet_weights}


def starting_network(settings: Settings) -> SiameseNet:
    """Build the network with the weights that `init` names; others are random, drawn with the seed.

    A localiser that is to be taught starts from random weights, so that it has seen nobody.

    Raises FaceSimError if the weights cannot be read.
    """
    torch.manual_seed(settings.seed)
    path = model_file(settings)
    if path:
        net = read_network(path, settings.backbone)
        net.mirror = settings.mirror
        if settings.localiser_epochs:
            net.localiser = Localiser()
        return net
    norm = Affine if settings.start == "sources" else nn.BatchNorm2d
    net = make_network(settings.backbone, norm, settings.mirror)
    for name, recogniser in zip(parts_of(settings.backbone), net.recognisers, strict=True):
        if settings.start == "sources":
            _SOURCES[name](recogniser)
        elif settings.start == "imagenet":
            load_imagenet_weights(recogniser.features, name)
    return net


def model_file(settings: Settings) -> Path | None:
    """Return the model file that a run starts from, or None if it starts from other weights."""
    if settings.start == "shipped":
        return default_model()
    return Path(settings.init) if settings.start == "MODEL.onnx" else None


def begun_from_model(settings: Settings) -> ModelInfo | None:
    """Return the metadata of the model file that a run starts from, or None if it starts from other weights.

    None, too, if that model's run taught only its localiser, and the new run teaches another: it then keeps no weights
    that have seen anybody.
    """
    path = model_file(settings)
    info = Model(path, quick=True).info if path else None
    taken_over = info and not (settings.localiser_epochs and _taught_localiser_only(info.trained_on))
    return info if taken_over else None


def _taught_localiser_only(trained_on: dict) -> bool:
    begun_from = trained_on.get("begun_from")
    taught = trained_on.get("settings", {}).get("epochs") == 0
    return taught and (not begun_from or _taught_localiser_only(begun_from))


def make_network(
    backbone: str, norm: type[nn.Module], mirror: bool = False, localiser: Localiser | None = None
) -> SiameseNet:
    """Return an untrained network of the recognisers that `backbone` names."""
    return SiameseNet([Recogniser(name, norm) for name in parts_of(backbone)], localiser, mirror)


def read_network(path: Path, backbone: str) -> SiameseNet:
    """Read a network from a model file by the names of its weights, into which normalisation is folded.

    Raises FaceSimError if the file is not a model with this backbone.
    """
    model = Model(path)
    settings = model.info.trained_on.get("settings", {})
    stored = settings.get("backbone", backbone)
    if stored != backbone:
        raise FaceSimError(f"{path} has the backbone {stored}: add --backbone {stored} to go on from it.")
    net = fold(make_network(backbone, Affine, settings.get("mirror", False), Localiser(Affine)))
    weights = {name: torch.zeros_like(bias) for name, bias in net.state_dict().items() if name.endswith(".bias")}
    for tensor in onnx.load(path).graph.initializer:  # which lacks biases that are all zero
        name = tensor.name.removeprefix(WEIGHT_PREFIX)
        if name in net.state_dict():
            weights[name] = torch.from_numpy(onnx.numpy_helper.to_array(tensor).astype(np.float32))
    crops = np.random.default_rng(0).integers(0, 256, (2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    try:
        net.load_state_dict(weights)
        with torch.inference_mode():
            difference = np.abs(net.embed(torch.from_numpy(crops)).numpy() - model.embed(crops)).max()
    except (RuntimeError, ValueError):  # a weight is missing, or of another shape; embeddings of another size
        difference = np.inf
    if not difference <= MAX_DIFFERENCE:
        raise FaceSimError(
            f"{path} holds a network that this facesim's training did not write: it cannot be trained further."
        )
    return net
