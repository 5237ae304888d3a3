"""Make normalisation part of the weights before it: what a trained network needs, and all that its file holds."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from facesim.detector.crop import CROP_SIZE
from facesim.training.backbones import Affine
from facesim.training.network import SiameseNet

_NORMS = (Affine, nn.BatchNorm1d, nn.BatchNorm2d)


@torch.no_grad()
def fold(net: SiameseNet) -> SiameseNet:
    """Fold every normalisation of `net` into the convolution or linear layer before it, in place."""
    net.eval()
    for layer, norm in _normalised_layers(net):
        if isinstance(norm, Affine):
            weight = layer.weight * norm.weight.view(-1, *[1] * (layer.weight.dim() - 1))
            bias = norm.bias.flatten() + (0 if layer.bias is None else layer.bias * norm.weight.flatten())
        else:
            fuse = fuse_linear_bn_weights if isinstance(layer, nn.Linear) else fuse_conv_bn_weights
            statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            weight, bias = fuse(layer.weight, layer.bias, *statistics)
        layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)
    for module in net.modules():
        for name, part in module.named_children():
            if isinstance(part, _NORMS):
                setattr(module, name, nn.Identity())
    return net


def _normalised_layers(net: SiameseNet) -> list[tuple[nn.Module, nn.Module]]:
    """Return each normalisation with the layer that `net` passes through just before it."""
    found, last = [], None

    def passed(module, inputs, output):
        nonlocal last
        if isinstance(module, _NORMS):
            found.append((last, module))
        else:
            last = module

    kinds = (nn.Conv2d, nn.Linear, *_NORMS)
    hooks = [module.register_forward_hook(passed) for module in net.modules() if isinstance(module, kinds)]
    net.embed(torch.zeros(1, CROP_SIZE, CROP_SIZE, 3, dtype=torch.uint8, device=net.rgb_mean.device))
    for hook in hooks:
        hook.remove()
    return found
