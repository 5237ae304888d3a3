"""Starting weights: dlib's face recognition ResNet (King 2017, CC0), read from its own file into our Recogniser."""

from pathlib import Path

import torch

from facesim.training.backbones import Affine
from facesim.training.dlib_files import RECOGNISER_FILE, TensorReader, find_dlib_file
from facesim.training.network import Recogniser


def load_dlib_weights(recogniser: Recogniser, path: Path | None = None) -> Recogniser:
    """Fill a Recogniser made with `Affine` with dlib's weights.

    A convolution's tensor is its weights and then its biases, an affine's its scales and then its offsets, the last is
    the transposed fully connected layer.

    Raises FaceSimError when the file does not hold them all.
    """
    tensors = TensorReader(path or find_dlib_file(RECOGNISER_FILE))
    for module in recogniser.modules():
        if not isinstance(module, (torch.nn.Conv2d, Affine, torch.nn.Linear)):
            continue
        transposed = isinstance(module, torch.nn.Linear)
        if transposed:
            parameters, dimensions = [module.weight], (module.in_features, module.out_features, 1, 1)
        else:
            parameters = [module.weight, module.bias]
            dimensions = (sum(p.numel() for p in parameters), 1, 1, 1)
        values = torch.from_numpy(tensors.next(*dimensions))
        with torch.no_grad():
            for parameter, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
                parameter.copy_(part.view(dimensions[:2]).T if transposed else part.view_as(parameter))
    return recogniser
