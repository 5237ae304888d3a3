import dataclasses
import json

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from facesim.errors import FaceSimError
from facesim.training.backbones import Affine
from facesim.training.export import export
from facesim.training.mobilefacenet import PReLU
from facesim.training.network import Localiser, Recogniser, SiameseNet
from facesim.training.settings import STARTS, Settings
from facesim.training.start import begun_from_model, make_network, read_network, starting_network


def crops(count=3, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (count, 160, 160, 3), np.uint8))


def embed(net):
    with torch.inference_mode():
        return net.eval().embed(crops())


def lived_in(net):
    """Give batch norms statistics and poses a spread, as training does."""
    nn.init.normal_(net.localiser.head[-1].weight, std=0.02)
    for module in net.modules():
        if isinstance(module, PReLU):
            nn.init.uniform_(module.slope, -1, 1)
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        net.train()
        net.embed(crops(16, seed=1))
    return net


@pytest.fixture
def told(model):
    """Says of a network what a model file must say, with another backbone."""

    def told(backbone):
        return dataclasses.replace(model.info, trained_on={"settings": {"backbone": backbone}})

    return told


@pytest.mark.parametrize("backbone", STARTS)
def test_every_backbone_comes_back_out_of_its_model_file(backbone, told, tmp_path):
    torch.manual_seed(0)
    net = lived_in(make_network(backbone, nn.BatchNorm2d))
    path = export(net, told(backbone), tmp_path / "model.onnx")
    again = read_network(path, backbone)
    assert (embed(again) - embed(net)).abs().max() < 1e-3  # weights are stored in half precision
    assert not any(isinstance(module, nn.BatchNorm2d) for module in again.modules())


def test_the_model_that_ships_can_be_trained_further_and_exported_again(model, told, tmp_path):
    net = starting_network(Settings.best())
    expected = model.embed(crops().numpy())
    assert np.abs(embed(net).numpy() - expected).max() < 1e-4
    loss = net.embed(crops()).var()
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())
    path = export(net, told("facesim"), tmp_path / "again.onnx")
    assert np.abs(embed(read_network(path, "facesim")).numpy() - expected).max() < 1e-3


def test_a_model_file_with_another_backbone_or_network_is_refused(model, write_model):
    with pytest.raises(FaceSimError, match="--backbone facesim"):
        read_network(model.path, "small")
    with pytest.raises(FaceSimError, match="did not write"):
        read_network(write_model(trained_on='{"settings": {"backbone": "small"}}'), "small")


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v3_small"])
def test_imagenet_weights_come_from_torchvisions_cache(backbone, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(7)
    theirs = torchvision.models.get_model(backbone, weights=None)
    url = torchvision.models.get_model_weights(backbone).DEFAULT.url
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    older = {name: tensor for name, tensor in theirs.state_dict().items() if "num_batches_tracked" not in name}
    torch.save(older, tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1])
    net = starting_network(Settings.best(backbone=backbone, init="imagenet"))
    loaded = net.recognisers[0].features[1].state_dict()
    assert len(loaded) > 50
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in older.items() if name in loaded)


def test_imagenet_weights_are_given_pixels_as_torchvision_wants_them():
    features = Recogniser("resnet18", nn.BatchNorm2d).features
    pixels = torch.randint(0, 256, (1, 3, 150, 150)).float()
    net = SiameseNet()
    ours = features[0](net.normalise(pixels.permute(0, 2, 3, 1)))
    weights = torchvision.models.get_model_weights("resnet18").DEFAULT
    theirs = torchvision.transforms.functional.normalize(
        pixels / 255, weights.transforms().mean, weights.transforms().std
    )
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_imagenet_weights_that_cannot_be_fetched_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = type(torchvision.models.get_model_weights("resnet18").DEFAULT)
    monkeypatch.setattr(weights, "url", property(lambda _: "http://127.0.0.1:9/resnet18-f37072fd.pth"), raising=False)
    with pytest.raises(FaceSimError, match=f"by hand into {tmp_path}"):
        starting_network(Settings.best(backbone="resnet18", init="imagenet"))


def test_the_seed_draws_what_is_not_loaded():
    first, again, other = (embed(starting_network(Settings.best(backbone="small", seed=seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_fixed_start_has_no_batch_norm_to_drift():
    net = SiameseNet([Recogniser("resnet18", Affine)], Localiser(Affine))
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())


@pytest.mark.parametrize(
    ("trained_on", "localiser_epochs", "saw_somebody"),
    [
        ({"settings": {"backbone": "facesim", "epochs": 0}}, 0, True),  # its localiser is taken over
        ({"settings": {"backbone": "facesim", "epochs": 0}}, 5, False),
        ({"settings": {"backbone": "facesim", "epochs": 3}}, 5, True),  # its recognisers learned from people
        ({"settings": {"epochs": 0}, "begun_from": {"settings": {"epochs": 3}}}, 5, True),
        ({"settings": {"epochs": 0}, "begun_from": {"settings": {"epochs": 0}}}, 5, False),
        ({"data": "lfw"}, 5, True),  # it does not say how it was trained
    ],
)
def test_what_a_run_takes_over_says_whom_its_start_has_seen(write_model, trained_on, localiser_epochs, saw_somebody):
    path = write_model(trained_on=json.dumps(trained_on))
    begun_from = begun_from_model(Settings.best(init=str(path), localiser_epochs=localiser_epochs))
    assert (begun_from is not None) == saw_somebody


def test_nothing_is_taken_over_from_the_recognisers_sources():
    assert begun_from_model(Settings.best(init="sources")) is None
