import torch

from facesim.training.augment import Placement, augment
from facesim.training.poses import Similarity, random_similarity


def some_maps(count, seed):
    return random_similarity(count, 0.3, 40.0, 0.3, torch.Generator().manual_seed(seed))


def test_maps_compose_invert_and_survive_their_four_numbers():
    outer, inner = some_maps(8, 1), some_maps(8, 2)
    z = torch.complex(torch.rand(8), torch.rand(8))
    both = outer.after(inner)
    expected = outer.scale * (inner.scale * z + inner.shift) + outer.shift
    assert torch.allclose(both.scale * z + both.shift, expected)
    back = both.inverse().after(both)
    assert torch.allclose(back.scale, torch.ones(8, dtype=torch.cfloat), atol=1e-6)
    assert torch.allclose(back.shift, torch.zeros(8, dtype=torch.cfloat), atol=1e-6)
    a, b, x, y = both.as_pose().unbind(-1)
    again = Similarity(torch.complex(a, b), torch.complex(x, y))
    assert torch.allclose(again.scale, both.scale)


def test_a_chip_is_carried_to_where_its_pixels_go():
    """Paint a dot at the chip's centre and a dot to its right; find both where the carried pose says."""
    count = 12
    chips = Similarity(torch.full((count,), 0.5 + 0.1j), torch.full((count,), 0.1 - 0.05j))
    move = random_similarity(count, 0.2, 30.0, 0.1, torch.Generator().manual_seed(5))
    placement = Placement(move, torch.arange(count) % 2 == 1)
    pose = placement.carry(chips)
    for q in (0j, 0.4 + 0j, 0.4j):
        wide = torch.zeros(count, 1, 252, 252)
        for i in range(count):
            # a mirrored crop shows the mirrored chip: the chip's point q is then the source's point −conj(q)
            source = -q.conjugate() if i % 2 else q
            z = chips.scale[i] * source + chips.shift[i]
            x, y = ((float(part) + 1) * 126 - 0.5 for part in (z.real, z.imag))
            rows, columns = torch.meshgrid(torch.arange(252.0), torch.arange(252.0), indexing="ij")
            wide[i, 0] = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
        crops = torch.nn.functional.grid_sample(wide, placement.grid(), align_corners=False)
        peak = crops.flatten(1).argmax(1)
        found = torch.complex((peak % 160 + 0.5) / 80 - 1, (peak // 160 + 0.5) / 80 - 1)
        assert (found - (pose.scale * q + pose.shift)).abs().max() < 2 / 80


def test_augmented_crops_are_pictures_and_repeat_with_their_seed():
    wide = torch.randint(0, 256, (16, 252, 252, 3), dtype=torch.uint8)
    one, two, other = (augment(wide, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert one.shape == (16, 160, 160, 3)
    assert one.min() >= 0
    assert one.max() <= 255
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
