"""What do two recognisers bring, and how were their shares, mirror images and trust in the pose chosen?

python benchmarks/recognisers.py
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch

from facesim import FaceSimError, Model
from facesim.data.cache import cached_crops
from facesim.data.dataset import Dataset, read_folder
from facesim.data.lfw import data_home, find_lfw
from facesim.data.pairs import Pairs, all_pairs, join_pairs
from facesim.data.people import read_people
from facesim.data.source import draw_subset
from facesim.evaluation.groups import prefix
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.scoring import embed_crops
from facesim.model import default_model
from facesim.names import name_key
from facesim.training.export import export
from facesim.training.network import SiameseNet
from facesim.training.start import read_network

CHOSEN_ON = slice(0, 8)  # of LFW's folds; the others test
PHOTOS = 10  # of each of LFW's people, so that those with hundreds do not own the pairs
SHARES = (0.0, 4.0, 8.0, 12.0, 16.0, np.inf)  # of dlib's network beside MobileFaceNet: 0 is the latter alone
LFW_FMR = 1e-3  # at whose threshold London's people are compared
FULL_TRUST = (1.0, 1.0, 1.0, 1.0)
HEADINGS = (
    "LFW EER",
    "LFW FNMR at FMR 0.01 %",
    "pins EER, %",
    "pins FNMR at FMR 0.1 %",
    "hard EER, %",
    "hard FNMR at FMR 1 %",
    "frontal against profile, EER, %",
    "London FMR, white / Black / East Asian",
)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """All pairs among the photos of some people."""

    name: str
    dataset: Dataset
    photos: np.ndarray  # (m,) sorted indices
    pairs: Pairs  # places in `photos`
    halves: tuple[np.ndarray, ...]  # of the pairs, (n,) bool: those within either half of the people, or all


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", type=click.Path(path_type=Path), help="A model file, instead of the one that ships.")
def main(model):
    """Compare dlib's network, MobileFaceNet and both, with mirror images or without, poses trusted in part or wholly.

    The sets are LFW (folds 1 to 8), pins, hard, poses and london in the folder that FACESIM_DATA names. People of pins,
    hard and poses are split in two halves, one to choose on and one to check: figures stand as "one / the other". Takes
    ten minutes on two cores.
    """
    path = model or default_model()
    try:
        net = read_network(path, "facesim")
        sets = [_lfw(), *(_folder(name) for name in ("pins", "hard", "poses")), _folder("london", halves=False)]
    except FaceSimError as error:
        raise click.ClickException(str(error)) from error
    chosen = tuple(net.localiser.trust.tolist())
    click.echo(_row(["trust in size, tilt", "mirror images", "dlib's share", *HEADINGS]))
    click.echo("|" + "---|" * (3 + len(HEADINGS)))
    with tempfile.TemporaryDirectory() as folder:
        for trust, mirror in ((FULL_TRUST, False), (chosen, False), (chosen, True)):
            net.localiser.trust.copy_(torch.tensor(trust))
            net.mirror = mirror
            variant = Model(export(net, Model(path).info, Path(folder) / "variant.onnx"))
            embeddings = [embed_crops(variant, cached_crops(one.dataset, one.photos), one.photos) for one in sets]
            for share in SHARES:
                figures = _figures(sets, [_with_share(part, share, net) for part in embeddings])
                shown = "only" if share == np.inf else f"{share:g} : 1" if share else "none"
                click.echo(_row([f"{trust[0]:.1f}, {trust[1]:.1f}", "yes" if mirror else "no", shown, *figures]))


def _lfw() -> PhotoSet:
    dataset, folds = find_lfw()
    people = np.unique(dataset.identities[join_pairs(folds[CHOSEN_ON]).photos()])
    counted = np.isin(dataset.identities, people)
    counted[counted] = draw_subset(dataset.identities[counted], None, PHOTOS, seed=0)
    return _all_pairs("lfw", dataset, np.flatnonzero(counted), halves=False)


def _folder(name: str, halves: bool = True) -> PhotoSet:
    dataset = read_folder(data_home() / name)
    return _all_pairs(name, dataset, np.arange(len(dataset.photos)), halves)


def _all_pairs(name: str, dataset: Dataset, photos: np.ndarray, halves: bool) -> PhotoSet:
    photos = photos[cached_crops(dataset, photos).usable[photos]]
    pairs = all_pairs(dataset.identities[photos])
    half = np.unique(dataset.identities[photos], return_inverse=True)[1] % 2
    within = [(half[pairs.first] == i) & (half[pairs.second] == i) for i in (0, 1)]
    return PhotoSet(name, dataset, photos, pairs, tuple(within) if halves else (np.ones(len(pairs), bool),))


def _with_share(embeddings: np.ndarray, share: float, net: SiameseNet) -> np.ndarray:
    """Weigh the two recognisers' parts of unit embeddings `(n, d)` anew; infinity leaves dlib's alone."""
    first, second = np.split(embeddings, [128 + 1], axis=1)
    shares = net.recognisers[0].share + net.recognisers[1].share
    first, second = (
        part * np.sqrt(shares / recogniser.share)
        for part, recogniser in zip((first, second), net.recognisers, strict=True)
    )
    if share == np.inf:
        return first
    return np.concatenate([np.sqrt(share) * first, second], axis=1) / np.sqrt(share + 1)


def _figures(sets: list[PhotoSet], embeddings: list[np.ndarray]) -> list[str]:
    lfw, pins, hard, poses, london = ((one, _distances(part)) for one, part in zip(sets, embeddings, strict=True))
    threshold = _sorted(*lfw).threshold_for_fmr(LFW_FMR)
    groups, genders = (_of_people(london[0], column) for column in ("ethnicity", "gender"))
    fair = []
    for group in ("white", "black", "east_asian"):
        chosen = ~london[0].pairs.same & (groups == group).all(axis=1) & (genders[:, 0] == genders[:, 1])
        fair.append(f"{100 * np.mean(london[1][chosen] < threshold):.1f} %")
    kinds = np.array([prefix(poses[0].dataset.photos[i]) for i in poses[0].photos])
    across = kinds[poses[0].pairs.first] != kinds[poses[0].pairs.second]
    return [
        _both(lfw, lambda measured: f"{100 * measured.eer():.2f} %"),
        _both(lfw, lambda measured: f"{100 - 100 * measured.tar(1e-4).tar:.1f} %"),
        _both(pins, lambda measured: f"{100 * measured.eer():.1f}"),
        _both(pins, lambda measured: f"{100 - 100 * measured.tar(1e-3).tar:.1f}"),
        _both(hard, lambda measured: f"{100 * measured.eer():.1f}"),
        _both(hard, lambda measured: f"{100 - 100 * measured.tar(1e-2).tar:.1f}"),
        _both(poses, lambda measured: f"{100 * measured.eer():.1f}", across),
        " / ".join(fair),
    ]


def _distances(embeddings: np.ndarray) -> np.ndarray:
    """Return the distances of all pairs of unit embeddings, `(n · (n − 1) / 2,)`, in the order of `all_pairs`."""
    products = (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]
    return np.sqrt(np.maximum(0, 2 - 2 * products))


def _both(measured: tuple[PhotoSet, np.ndarray], show: Callable[[SortedDistances], str], among=True) -> str:
    """Show a figure of the pairs `among` those of each half of a set's people."""
    one, _ = measured
    return " / ".join(show(_sorted(*measured, half & among)) for half in one.halves)


def _sorted(one: PhotoSet, distances: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> SortedDistances:
    return SortedDistances.of(distances[chosen], one.pairs.same[chosen])


def _of_people(one: PhotoSet, column: str) -> np.ndarray:
    """Return what people.csv says of both people of each pair, `(n, 2) str`."""
    known = read_people(one.dataset.root)[column]
    values = np.array([known[name_key(identity)] for identity in one.dataset.identities[one.photos].tolist()])
    return values[np.stack([one.pairs.first, one.pairs.second], axis=1)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
