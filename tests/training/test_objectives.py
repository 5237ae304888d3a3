"""The losses and miners, against plain loops over points placed by hand."""

import itertools
import math

import pytest
import torch

from facesim.training.objectives import make_objective, violations
from facesim.training.settings import Settings

ANGLES = [0, 8, 30, 20, 75, 90, 55, 160]  # degrees on the unit circle
PEOPLE = [0, 0, 0, 1, 1, 1, 2, 2]


def points():
    radians = torch.tensor(ANGLES) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], 1).requires_grad_()


def objective(epoch=0, **given):
    return make_objective(Settings.best(**given), epoch)


def distance(a, b):
    return 2 * math.sin(abs(math.radians(ANGLES[a] - ANGLES[b])) / 2)


def all_pairs():
    for a, b in itertools.permutations(range(8), 2):
        yield a, b, PEOPLE[a] == PEOPLE[b]


def all_triplets():
    for a, p, n in itertools.permutations(range(8), 3):
        if PEOPLE[a] == PEOPLE[p] != PEOPLE[n]:
            yield a, p, n


def mean_of_positive(losses):
    positive = [loss for loss in losses if loss > 0]
    return sum(positive) / len(positive) if positive else 0.0


def hardest(anchor):
    others = [b for b in range(8) if b != anchor]
    farthest = max((b for b in others if PEOPLE[b] == PEOPLE[anchor]), key=lambda b: distance(anchor, b))
    nearest = min((b for b in others if PEOPLE[b] != PEOPLE[anchor]), key=lambda b: distance(anchor, b))
    return farthest, nearest


def value(objective):
    return objective(points(), torch.tensor(PEOPLE)).item()


@pytest.mark.parametrize(("margin", "genuine_margin"), [(0.5, 0.1), (0.9, 0.0), (1.6, 0.3)])
def test_semihard_pairs_are_all_that_cost_something(margin, genuine_margin):
    genuine = [max(0, distance(a, b) - genuine_margin) for a, b, same in all_pairs() if same]
    impostor = [max(0, margin - distance(a, b)) for a, b, same in all_pairs() if not same]
    expected = mean_of_positive(genuine) + mean_of_positive(impostor)
    ours = objective(loss="contrastive", mining="semihard", margin=margin, genuine_margin=genuine_margin)
    assert value(ours) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_hard_pairs_are_each_anchors_farthest_genuine_and_nearest_impostor(margin):
    chosen = [(a, *hardest(a)) for a in range(8)]
    genuine = mean_of_positive([max(0, distance(a, p) - 0.1) for a, p, _ in chosen])
    impostor = mean_of_positive([max(0, margin - distance(a, n)) for a, _, n in chosen])
    ours = objective(loss="contrastive", mining="hard", margin=margin, genuine_margin=0.1)
    assert value(ours) == pytest.approx(genuine + impostor, rel=1e-5)


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_semihard_triplets_violate_the_margin_though_the_impostor_is_farther(margin):
    losses = []
    for a, p, n in all_triplets():
        near, far = distance(a, p) ** 2, distance(a, n) ** 2
        if near < far < near + margin:
            losses.append(near - far + margin)
    ours = objective(loss="triplet", mining="semihard", margin=margin)
    assert losses
    assert value(ours) == pytest.approx(mean_of_positive(losses), rel=1e-4)


@pytest.mark.parametrize("margin", [0.1, 0.5])
def test_hard_triplets_are_each_anchors_hardest(margin):
    losses = []
    for a in range(8):
        p, n = hardest(a)
        losses.append(max(0, distance(a, p) ** 2 - distance(a, n) ** 2 + margin))
    ours = objective(loss="triplet", mining="hard", margin=margin)
    assert value(ours) == pytest.approx(mean_of_positive(losses), rel=1e-4)


def test_random_triplets_are_one_for_each_anchor_and_of_these_only_the_costly_count():
    """Drawn often enough, the mean lies where the mean over all possible draws does."""
    torch.manual_seed(0)
    start = objective(loss="triplet", mining="semihard", margin=0.5, random_epochs=1)
    drawn = [value(start) for _ in range(400)]
    by_anchor = []
    for anchor in range(8):
        losses = [max(0, distance(a, p) ** 2 - distance(a, n) ** 2 + 0.5) for a, p, n in all_triplets() if a == anchor]
        by_anchor.append(sum(losses) / len(losses))
    assert sum(drawn) / 400 == pytest.approx(sum(by_anchor) / 8, rel=0.05)
    assert len(set(drawn)) > 100
    costly = objective(loss="triplet", mining="random", margin=0.5)
    assert sum(value(costly) for _ in range(100)) / 100 > 1.2 * sum(drawn) / 400


def test_after_the_random_start_the_mining_that_was_asked_for_begins():
    given = {"loss": "triplet", "mining": "hard", "margin": 0.5, "random_epochs": 2}
    assert value(objective(2, **given)) == value(objective(0, **given | {"random_epochs": 0}))


@pytest.mark.parametrize("loss", ["contrastive", "triplet"])
@pytest.mark.parametrize("mining", ["random", "semihard", "hard"])
def test_a_batch_that_is_learned_costs_nothing_and_moves_nothing(loss, mining):
    embeddings = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0]], requires_grad=True)
    cost = objective(loss=loss, mining=mining)(embeddings, torch.tensor([0, 0, 1, 1]))
    cost.backward()
    assert cost.item() == 0
    assert not embeddings.grad.any()


def test_violations_are_counted_by_the_margin_of_the_loss():
    anchors = torch.tensor([[1.0, 0], [1, 0], [1, 0]])
    genuine = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    impostors = torch.tensor([[-1.0, 0], [0.98, 0.199], [0, -1]])  # at 2, 0.2 and √2
    triplet = Settings.best(loss="triplet", margin=0.2)
    assert violations(triplet, anchors, genuine, impostors) == pytest.approx(2 / 3)
    assert violations(Settings.best(loss="triplet", margin=0.01), anchors, genuine, impostors) == pytest.approx(1 / 3)
    contrastive = Settings.best(loss="contrastive", margin=0.1)
    assert violations(contrastive, anchors, genuine, impostors) == pytest.approx(1 / 3)
