"""Fold normalisation into the weights before it, as is needed only once a network is trained."""

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from facesim.detector.crop import CROP_SIZE
from facesim.training.backbones import Affine
from facesim.training.network import SiameseNet

_Layer = nn.Conv2d | nn.Linear
_Norm = Affine | nn.BatchNorm1d | nn.BatchNorm2d


@torch.no_grad()
def fold(net: SiameseNet) -> SiameseNet:
    """Fold every normalisation of `net` into the convolution or linear layer before it, in place."""
    net.eval()
    for layer, norm in _normalised_layers(net):
        layer.weight, layer.bias = map(nn.Parameter, _folded(layer, norm))
    for module in net.modules():
        for name, part in module.named_children():
            if isinstance(part, _Norm):
                setattr(module, name, nn.Identity())
    return net


def _folded(layer: _Layer, norm: _Norm) -> tuple[Tensor, Tensor]:
    if isinstance(norm, Affine):
        weight = layer.weight * norm.weight.view(-1, *[1] * (layer.weight.dim() - 1))
        return weight, norm.bias.flatten() + (0 if layer.bias is None else layer.bias * norm.weight.flatten())
    fuse = fuse_linear_bn_weights if isinstance(layer, nn.Linear) else fuse_conv_bn_weights
    assert norm.running_mean is not None  # since they are tracked
    assert norm.running_var is not None
    return fuse(layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)


def _normalised_layers(net: SiameseNet) -> list[tuple[_Layer, _Norm]]:
    """Return each normalisation with the layer that `net` passes through just before it."""
    passed: list[_Layer] = []
    found: list[tuple[_Layer, _Norm]] = []

    def note(module: nn.Module, *_: object) -> None:
        if isinstance(module, _Norm):
            found.append((passed[-1], module))
        elif isinstance(module, _Layer):
            passed.append(module)

    hooks = [module.register_forward_hook(note) for module in net.modules()]
    net.embed(torch.zeros(1, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8, device=net.rgb_mean.device))
    for hook in hooks:
        hook.remove()
    return found
