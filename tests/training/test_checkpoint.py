import pytest
import torch

from facesim.errors import FaceSimError
from facesim.training.checkpoint import Checkpoint


def stepped():
    net = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return net, optimiser


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    net, optimiser = stepped()
    state = Checkpoint("identity", epoch=3)
    state.remember(net, 0.9, patience=2)
    state.save(tmp_path / "c.safetensors", net, optimiser)
    again = Checkpoint.load(tmp_path / "c.safetensors")
    assert (again.stage, again.epoch, again.ended, again.best_f1, again.best_epoch) == ("identity", 3, False, 0.9, 3)
    assert torch.equal(again.net["weight"], net.weight)
    assert torch.equal(again.best["weight"], net.weight)
    assert torch.equal(again.moments[0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])


def test_the_best_weights_are_kept_and_patience_ends():
    net, optimiser = stepped()
    best = net.weight.detach().clone()
    state = Checkpoint("identity", epoch=1)
    state.remember(net, 0.9, patience=2)
    for epoch, f1 in ((2, 0.9), (3, 0.8)):
        assert not state.ended
        optimiser.step()
        state.epoch = epoch
        state.remember(net, f1, patience=2)
    assert state.ended
    assert torch.equal(state.best["weight"], best)
    assert not torch.equal(net.weight, best)


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"\x10\x00")
    with pytest.raises(FaceSimError, match=r"c\.safetensors is damaged"):
        Checkpoint.load(path)
