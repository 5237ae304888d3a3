import dlib
import numpy as np
import pytest
import torch
from torch import nn

from facesim.detector.crop import cut_wide_crop
from facesim.detector.finding import find_faces
from facesim.errors import FaceSimError
from facesim.photo import open_photo
from facesim.training.dlib_files import RECOGNISER_FILE, find_dlib_file
from facesim.training.dlib_weights import load_dlib_weights
from facesim.training.network import Recogniser, SiameseNet
from facesim.training.poses import Similarity, aligned_chips


@pytest.fixture(scope="module")
def net():
    net = SiameseNet().eval()
    load_dlib_weights(net.recognisers[0])
    return net


@pytest.fixture
def wide_crop(hopper):
    photo = open_photo(hopper)
    return cut_wide_crop(photo, find_faces(photo)[0])


def test_the_recogniser_gives_dlibs_own_descriptor(net, wide_crop):
    chip = np.ascontiguousarray(wide_crop[51:201, 51:201])
    dlibs = dlib.face_recognition_model_v1(str(find_dlib_file(RECOGNISER_FILE))).compute_face_descriptor(chip)
    with torch.no_grad():
        pixels = (torch.from_numpy(chip).permute(2, 0, 1)[None].float() - net.rgb_mean) / 256
        ours = net.recognisers[0](pixels)[0].numpy()
    assert np.abs(ours - np.array(dlibs)).max() < 1e-5


def test_the_recogniser_has_29_convolutions_and_its_stated_size():
    modules = list(Recogniser().modules())
    assert sum(isinstance(module, nn.Conv2d) for module in modules) == 29
    assert sum(p.numel() for p in modules[0].parameters()) == pytest.approx(5.6e6, rel=0.02)


def test_two_crops_share_their_weights(net):
    first, second = torch.randint(0, 256, (2, 3, 160, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        ours, theirs = net(first, second)
        assert torch.equal(theirs, net.embed(second))
    assert ours.shape == (3, 129 + 192)
    assert torch.allclose(ours.norm(dim=1), torch.ones(3))


def test_unit_length_keeps_what_the_descriptors_length_says():
    net = SiameseNet([Recogniser()])
    near, far = torch.tensor([[0.5] + [0.0] * 127]), torch.tensor([[2.0] + [0.0] * 127])
    assert (net.unite([near]) - net.unite([far])).norm() > 0.5


def test_each_recogniser_has_its_share_of_a_squared_distance(net):
    ours, theirs = (torch.randn(4, d) for d in (128, 192))
    alone = [
        (SiameseNet([part]).unite([one]) - SiameseNet([part]).unite([one.flip(0)])).square().sum(1)
        for part, one in zip(net.recognisers, (ours, theirs), strict=True)
    ]
    together = (net.unite([ours, theirs]) - net.unite([ours.flip(0), theirs.flip(0)])).square().sum(1)
    assert torch.allclose(together, (12 * alone[0] + alone[1]) / 13, atol=1e-6)


def test_a_mirror_image_is_embedded_as_the_face_itself_where_both_count():
    net = SiameseNet([Recogniser("small", nn.BatchNorm2d)], mirror=True).eval()
    crops = torch.randint(0, 256, (2, 160, 160, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(net.embed(crops), net.embed(crops.flip(2)), atol=1e-5)
        once = net.embed(crops, mirror=False)
        assert not torch.allclose(once, net.embed(crops.flip(2), mirror=False), atol=1e-5)


def test_mobilefacenets_window_lies_around_the_chip_where_it_was_chosen_to():
    """Its pixel (u, v) lies at the chip's (74 + 1.6 (u - 55.9), 43.7 + 1.6 (v - 51.6))."""
    grid = SiameseNet().recognisers[1].grid.view(112, 112, 3)
    for u, v in ((0, 0), (56, 52), (111, 20)):
        expected = [(74 + 1.6 * (u - 55.9) + 0.5) / 75 - 1, (43.7 + 1.6 * (v - 51.6) + 0.5) / 75 - 1, 1]
        assert grid[v, u].tolist() == pytest.approx(expected, abs=1e-3)


def test_a_straightened_crop_is_the_chip_that_dlib_cuts(net, wide_crop):
    """To within the rounding of two different interpolations."""
    chips = aligned_chips(wide_crop[None], np.array([0]))
    crop = torch.from_numpy(wide_crop[46:206, 46:206].copy())[None]
    in_crop = Similarity(chips.scale * 252 / 160, chips.shift * 252 / 160)
    with torch.no_grad():
        ours = net.straighten(net.normalise(crop), in_crop.as_pose())[0] * 256 + net.rgb_mean
    landmarks = dlib.shape_predictor(str(find_dlib_file("shape_predictor_5_face_landmarks.dat")))
    dlibs = dlib.get_face_chip(wide_crop, landmarks(wide_crop, dlib.rectangle(69, 69, 183, 183)), 150, 0.25)
    difference = np.abs(ours[0].permute(1, 2, 0).numpy() - dlibs)[20:-20, 20:-20]
    assert difference.mean() < 5  # half a pixel off: 11


def test_training_from_scratch_reaches_every_weight():
    net = SiameseNet([Recogniser(norm=nn.BatchNorm2d)])
    net.embed(torch.randint(0, 256, (4, 160, 160, 3), dtype=torch.uint8)).square().sum(0)[:5].sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_file_that_is_not_dlibs_is_refused(tmp_path):
    path = tmp_path / "weights.dat"
    path.write_bytes(b"\x01\x02" * 1000)
    with pytest.raises(FaceSimError, match="does not hold dlib's"):
        load_dlib_weights(Recogniser(), path)
