import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from facesim.detector.crop import CROP_MARGIN, CROP_SIZE
from facesim.errors import FaceSimError
from facesim.model import Model
from facesim.model_info import FORMAT_VERSION, ModelInfo, OperatingPoint
from facesim.training.backbones import Affine
from facesim.training.export import export
from facesim.training.network import Recogniser, SiameseNet

INFO = ModelInfo(
    format=FORMAT_VERSION,
    threshold=0.3,
    distance="euclidean",
    crop_size=CROP_SIZE,
    crop_margin=CROP_MARGIN,
    calibration=(9.0, -30.0),
    operating_points=(OperatingPoint("best F1", 0.3, 0.01, 0.02, 600, 600),),
    trained_on={"data": "näme", "test_identities": ["Ana"]},
)


@pytest.mark.parametrize("norm", [Affine, nn.BatchNorm2d])
def test_the_model_file_embeds_as_the_network_does_and_keeps_what_is_said_of_it(tmp_path, norm):
    torch.manual_seed(0)
    net = SiameseNet([Recogniser(norm=norm)]).eval()
    nn.init.normal_(net.localiser.head[-1].weight, std=0.02)  # poses that differ from crop to crop
    model = Model(export(net, INFO, tmp_path / "new" / "model.onnx"))
    assert model.info == INFO
    for count in (1, 5):
        crops = np.random.default_rng(count).integers(0, 256, (count, 160, 160, 3), np.uint8)
        with torch.inference_mode():
            expected = net.embed(torch.from_numpy(crops)).numpy()
        assert np.abs(model.embed(crops) - expected).max() < 1e-3  # weights are stored in half precision


def test_networks_built_alike_keep_their_own_weights(tmp_path):
    torch.manual_seed(0)
    crops = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    first, second, mirrored = (
        SiameseNet([Recogniser("small", nn.BatchNorm2d)], mirror=mirror).eval() for mirror in (False, False, True)
    )
    nn.init.normal_(second.localiser.features[1].bias)  # the first one's biases are zero, which the file leaves out
    for net in (first, second, mirrored, first):
        embedded = Model(export(net, INFO, tmp_path / "model.onnx")).embed(crops)
        with torch.inference_mode():
            assert np.abs(embedded - net.embed(torch.from_numpy(crops)).numpy()).max() < 1e-3


def test_a_network_that_cannot_be_matched_replaces_nothing(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old one")
    net = SiameseNet([Recogniser("small")])
    nn.init.constant_(net.recognisers[0].head.weight, float("nan"))
    with pytest.raises(FaceSimError, match="was not written"):
        export(net, INFO, path)
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_model_file_says_where_it_found_the_face(tmp_path):
    torch.manual_seed(0)
    net = SiameseNet([Recogniser("small", nn.BatchNorm2d)]).eval()
    nn.init.normal_(net.localiser.head[-1].weight, std=0.02)
    session = onnxruntime.InferenceSession(export(net, INFO, tmp_path / "model.onnx"))
    crops = np.random.default_rng(3).integers(0, 256, (4, 160, 160, 3), np.uint8)
    (poses,) = session.run(["poses"], {"crops": crops})
    with torch.inference_mode():
        expected = net.localiser(net.normalise(torch.from_numpy(crops))).numpy()
    assert poses == pytest.approx(expected, abs=1e-2)  # weights are stored in half precision
    assert np.ptp(poses, axis=0).min() > 0


def test_weights_take_two_bytes_each(tmp_path):
    net = SiameseNet([Recogniser("small", nn.BatchNorm2d)]).eval()
    size = export(net, INFO, tmp_path / "model.onnx").stat().st_size
    assert size < 2.3 * sum(weights.numel() for weights in net.parameters())
