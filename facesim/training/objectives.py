"""Objectives: the loss of a batch of embeddings, on pairs or triplets, and which of them are used.

Pairs: the contrastive loss (Hadsell et al. 2006) on the distance d, max(0, d − genuine margin) for a genuine pair and
max(0, margin − d) for an impostor pair. Triplets (Schroff et al. 2015): ‖f(A) − f(P)‖² + margin < ‖f(A) − f(N)‖².
"""

from collections.abc import Callable

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, PairMarginMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import MeanReducer
from pytorch_metric_learning.utils.loss_and_miner_utils import get_random_triplet_indices
from torch import Tensor

from facesim.training.settings import Settings

Objective = Callable[[Tensor, Tensor], Tensor]  # unit embeddings (n, d) and identity numbers (n,) to the loss


def make_objective(settings: Settings, epoch: int) -> Objective:
    """Return the loss of `epoch`, counted from 0.

    In the first `random_epochs` one triplet for each anchor is drawn at random, and the loss is the mean over all. Then
    it is the mean over those with a positive loss, of which `mining` selects
    random: one for each anchor, drawn at random;
    semihard: all with a positive loss in which the impostor is still farther than the genuine (of pairs, all with a
    positive loss);
    hard: for each anchor the farthest genuine and the nearest impostor.
    Pairs, unless semihard, are those of the triplets: anchor and genuine, anchor and impostor.
    """
    start = epoch < settings.random_epochs
    mining = "random" if start else settings.mining
    pairs = settings.loss == "contrastive"
    distance = LpDistance(normalize_embeddings=False, power=1 if pairs else 2)
    reducer = {"reducer": MeanReducer()} if start else {}  # the default is the mean over those with a positive loss
    if pairs:
        loss = ContrastiveLoss(settings.genuine_margin, settings.margin, distance=distance, **reducer)
    else:
        loss = TripletMarginLoss(settings.margin, distance=distance, **reducer)
    miner = _random_triplets
    if mining == "hard":
        miner = BatchHardMiner(distance=distance)
    elif mining == "semihard" and pairs:
        miner = PairMarginMiner(settings.genuine_margin, settings.margin, distance=distance)
    elif mining == "semihard":
        miner = TripletMarginMiner(settings.margin, "semihard", distance=distance)

    def objective(embeddings: Tensor, identities: Tensor) -> Tensor:
        return loss(embeddings, identities, miner(embeddings, identities))

    return objective


def _random_triplets(embeddings: Tensor, identities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return get_random_triplet_indices(identities, t_per_anchor=1)


def violations(settings: Settings, anchors: Tensor, genuine: Tensor, impostors: Tensor) -> float:
    """Return the share of triplets of unit embeddings, each `(n, d)`, that violate the margin.

    With the contrastive loss, those do whose impostor pair is nearer than `margin`, or nearer than the genuine pair.
    """
    near, far = (anchors - genuine).norm(dim=1), (anchors - impostors).norm(dim=1)
    if settings.loss == "contrastive":
        violated = (far < settings.margin) | (far <= near)
    else:
        violated = near**2 + settings.margin >= far**2
    return torch.mean(violated.float()).item()
