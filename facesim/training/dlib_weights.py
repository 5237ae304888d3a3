"""Starting weights: dlib's face recognition ResNet (King 2017, CC0), read from its own file into our Recogniser."""

from pathlib import Path

import torch
from torch import nn

from facesim.training.backbones import Affine
from facesim.training.dlib_files import RECOGNISER_FILE, TensorReader, find_dlib_file
from facesim.training.network import Recogniser


@torch.no_grad()
def load_dlib_weights(recogniser: Recogniser, path: Path | None = None) -> Recogniser:
    """Fill a Recogniser made with `Affine` with dlib's weights.

    A convolution's tensor is its weights, then its biases; an affine's its scales, then its offsets; the last is the
    transposed fully connected layer.

    Raises FaceSimError if the file does not hold them all.
    """
    tensors = TensorReader(path or find_dlib_file(RECOGNISER_FILE))
    for module in recogniser.modules():
        if isinstance(module, nn.Linear):
            transposed = tensors.next(module.in_features, module.out_features, 1, 1)
            module.weight.copy_(torch.from_numpy(transposed).view(module.in_features, -1).T)
        elif isinstance(module, (nn.Conv2d, Affine)):
            parameters = list(module.parameters())
            sizes = [parameter.numel() for parameter in parameters]
            values = torch.from_numpy(tensors.next(sum(sizes), 1, 1, 1)).split(sizes)
            for parameter, part in zip(parameters, values, strict=True):
                parameter.copy_(part.view_as(parameter))
    return recogniser
