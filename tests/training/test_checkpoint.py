import pytest
import torch

from facesim.errors import FaceSimError
from facesim.training.checkpoint import load_checkpoint, save_checkpoint


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    net = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    save_checkpoint(tmp_path / "c.safetensors", net, optimiser, {"stage": "identity", "epoch": 3})
    tensors, moments, progress = load_checkpoint(tmp_path / "c.safetensors")
    assert progress == {"stage": "identity", "epoch": 3}
    assert torch.equal(tensors["weight"], net.weight)
    assert torch.equal(moments[0]["exp_avg"], optimiser.state_dict()["state"][0]["exp_avg"])


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(b"\x10\x00")
    with pytest.raises(FaceSimError, match=r"c\.safetensors is damaged"):
        load_checkpoint(path)
