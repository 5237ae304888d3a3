"""How much do several enrolled photos of a person help, and how are they best compared?

python benchmarks/templates.py lfw pins hard poses
"""

from dataclasses import dataclass

import click
import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logit

import facesim.gallery.templates as templates
from facesim.data.cache import cached_crops
from facesim.data.identities import rank_within_identity
from facesim.data.source import find_photos
from facesim.detector.crop import centre_crop
from facesim.detector.quality import crop_measures
from facesim.evaluation.calibration import reliability
from facesim.evaluation.formatting import rate_text, with_interval
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.scoring import embed_crops
from facesim.evaluation.uncertainty import bootstrap_by_identity
from facesim.gallery.identify import probabilities
from facesim.gallery.rows import Match
from facesim.gallery.templates import make_template
from facesim.gallery.thresholds import default_threshold
from facesim.model import Model

COUNTS = (1, 2, 3, 5)  # photos enrolled of a person
MIXED = "1 to 5"  # one of them for each person, by lot
MOST = max(COUNTS)
PROBES_EACH = 5
DRAWS = 30  # of people to enrol
FPIR = 0.01
ALLOWANCES = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3)
SEED = 0
RULES = "nearest photo", "mean of both", "template by sharpness", "template"


@dataclass(frozen=True, slots=True)
class Half:
    """Photos of half the people of a data set, with a face each."""

    data: str
    embeddings: np.ndarray  # (n, d) float32
    identities: np.ndarray  # (n,) str
    sharpness: np.ndarray  # (n,), the root of the crop's detail


@dataclass(frozen=True, slots=True)
class Draw:
    """A gallery and its probes, as rows of a `Half`."""

    enrolled: list[np.ndarray]  # of each person up to `MOST` rows
    probes: np.ndarray  # (p,) int
    own: np.ndarray  # (p,) int, the number of a probe's person among those enrolled; -1 if not mated


@dataclass(frozen=True, slots=True)
class Found:
    """What searches found, over all draws: `(p,)` each."""

    nearest: np.ndarray  # the distance; infinite for a mated probe to which another person is nearer
    mated: np.ndarray
    identities: np.ndarray
    probability: np.ndarray  # of the nearest name
    threshold: float  # identify's default

    def rates(self) -> dict[str, str]:
        """Return FNIR at `FPIR`, and both at the default threshold, with intervals by identity, as text."""

        def measure(distances: SortedDistances) -> dict[str, float]:
            rates = distances.rates(self.threshold)
            at_fpir = distances.rates(distances.largest_threshold(FPIR)).fnmr
            return {"FNIR at FPIR": at_fpir, "FPIR": rates.fmr, "FNIR": rates.fnmr}

        intervals = bootstrap_by_identity(self.nearest, self.mated, self.identities, measure)
        measured = measure(SortedDistances.of(self.nearest, self.mated))
        return {name: with_interval(rate, intervals[name], rate_text) for name, rate in measured.items()}

    def calibration_error(self) -> float:
        """Return how far stated probabilities are from the share of right names, where half of the probes are mated."""
        right = self.mated & np.isfinite(self.nearest)
        return reliability(logit(np.clip(self.probability, 1e-9, 1 - 1e-9)), right, (0, 1)).expected_error


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", nargs=-1, required=True)
def main(data):
    """Print how many people are missed with 1, 2, 3 and 5 photos enrolled of each, in DATA.

    DATA are lfw, pins, or folders with a sub-folder per person. Of LFW only people whom the model has not seen count.
    The people of each set are divided in halves. On the first, the allowance for averaging is chosen; what it brings is
    printed of the second. Of people with six photos or more, half are enrolled, thirty times by lot; the others are
    strangers; where most people have fewer photos, as in LFW, all are enrolled, and strangers are people with fewer.
    """
    model = Model()
    halves: list[list[Half]] = [[], []]
    for name in data:
        for half, some in zip(halves, halves_of(model, name), strict=True):
            half.append(some)
    print_allowances(model, halves[0])
    print_check(model, halves[1])


def halves_of(model: Model, data: str) -> list[Half]:
    dataset = find_photos(data)
    crops, photos = cached_crops(dataset), np.arange(len(dataset.photos))
    if data == "lfw":
        photos = photos[np.isin(dataset.identities, model.info.trained_on["test_identities"])]
    photos = photos[crops.usable[photos]]
    identities, name = np.asarray(dataset.identities)[photos], data.rstrip("/").rpartition("/")[2]
    people = np.random.default_rng(SEED).permutation(np.unique(identities))
    halves = []
    for half in range(2):
        some = np.isin(identities, people[half::2])
        detail = [crop_measures(centre_crop(crops.wide[photo])).detail for photo in photos[some]]
        halves.append(Half(name, embed_crops(model, crops, photos[some]), identities[some], np.sqrt(detail)))
    return halves


def draws_of(half: Half) -> list[Draw]:
    """Draw galleries: of people with several photos, half or, where most have few photos, all."""
    names, counts = np.unique(half.identities, return_counts=True)
    several, few = names[counts > MOST], names[counts <= MOST]
    draws = []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        known = rng.permutation(several)[: len(several) if len(few) > len(several) else len(several) // 2]
        ranks = rank_within_identity(half.identities, rng.permutation(len(half.identities)))
        number = {name: i for i, name in enumerate(known)}
        own = np.array([number.get(name, -1) for name in half.identities])
        first = np.where(own >= 0, MOST, 0)  # the probes come after what is enrolled
        probes = np.flatnonzero((ranks >= first) & (ranks < first + PROBES_EACH))
        order = np.argsort(ranks, kind="stable")
        enrolled = [order[own[order] == i][:MOST] for i in range(len(known))]
        draws.append(Draw(enrolled, probes, own[probes]))
    return draws


def counts_for(photos: int | str, draw: Draw, seed: int) -> list[int]:
    """Return how many photos are enrolled of each person."""
    if photos == MIXED:
        return np.random.default_rng(seed).choice(COUNTS, len(draw.enrolled)).tolist()
    return [int(photos)] * len(draw.enrolled)


def identify(model: Model, half: Half, draws: list[Draw], photos: int | str, rule: str = "template") -> Found:
    """Search for all probes with so many photos enrolled, and compare them by a rule of `RULES`."""
    found = []
    for seed, draw in enumerate(draws):
        counts = counts_for(photos, draw, seed)
        rows = [theirs[:count] for theirs, count in zip(draw.enrolled, counts, strict=True)]
        weights = half.sharpness if rule == "template by sharpness" else np.ones(len(half.embeddings))
        made = [make_template(half.embeddings[each] * weights[each, None]) for each in rows]
        probes = half.embeddings[draw.probes]
        distances = cdist(probes, np.stack([template.centre for template in made]))
        if rule in ("nearest photo", "mean of both"):
            to_photos = np.stack([cdist(probes, half.embeddings[each]).min(axis=1) for each in rows], axis=1)
            distances = to_photos if rule == "nearest photo" else (to_photos + distances) / 2
        else:
            averaged = np.array([1 - 1 / template.count for template in made])
            distances = np.sqrt(distances**2 + templates.AVERAGED * model.info.threshold**2 * averaged)
        found.append(search(model, distances, draw.own))
    nearest, probability = map(np.concatenate, zip(*found, strict=True))
    own = np.concatenate([draw.own for draw in draws])
    identities = np.concatenate([half.identities[draw.probes] for draw in draws])
    threshold = default_threshold(model.info, len(draws[0].enrolled))
    return Found(nearest, own >= 0, np.unique(identities, return_inverse=True)[1], probability, threshold)


def search(model: Model, distances: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each probe's nearest distance as `Found` has it, and the probability of the nearest name."""
    number, nearest = distances.argmin(axis=1), distances.min(axis=1)
    probability = []
    for row, best in zip(distances, number, strict=True):
        matches = [Match(str(i), distance, "", None) for i, distance in enumerate(row.tolist())]
        probability.append(probabilities(model.info, matches, len(row))[str(best)])
    return np.where((own >= 0) & (number != own), np.inf, nearest), np.array(probability)


def print_allowances(model: Model, halves: list[Half]) -> None:
    print("| set | allowance | FPIR by default: 1 photo | 5 photos | FNIR: 1 photo | 5 | at FPIR 1 %, 1 to 5 |")
    print("|---" * 7 + "|")
    chosen = templates.AVERAGED
    for half in halves:
        draws = draws_of(half)
        for templates.AVERAGED in ALLOWANCES:
            one, five, mixed = (identify(model, half, draws, photos).rates() for photos in (1, MOST, MIXED))
            cells = one["FPIR"], five["FPIR"], one["FNIR"], five["FNIR"], mixed["FNIR at FPIR"]
            print(f"| {half.data} | {templates.AVERAGED} | {' | '.join(cells)} |", flush=True)
    templates.AVERAGED = chosen


def print_check(model: Model, halves: list[Half]) -> None:
    at_fpir = " | ".join(f"FNIR at FPIR 1 %: {rule}" if rule == RULES[0] else rule for rule in RULES)
    print(f"\n| set | people enrolled | photos each | {at_fpir} | by default: FPIR | FNIR | ECE |")
    print("|---" * 10 + "|")
    for half in halves:
        draws = draws_of(half)
        for photos in (*COUNTS, MIXED):
            found = {rule: identify(model, half, draws, photos, rule) for rule in RULES}
            rates = {rule: each.rates() for rule, each in found.items()}
            cells = [each["FNIR at FPIR"] for each in rates.values()]
            cells += [rates["template"]["FPIR"], rates["template"]["FNIR"]]
            cells.append(rate_text(found["template"].calibration_error()))
            print(f"| {half.data} | {len(draws[0].enrolled)} | {photos} | {' | '.join(cells)} |", flush=True)
    print("\nIntervals are 95 %, by drawing people again. ECE: between stated probability and share of right names.")


if __name__ == "__main__":
    main()
