"""How often a search among many errs: rank-1, FPIR and FNIR.

As ISO/IEC 19795-1 and NIST's evaluations of identification (FRTE 1:N, NISTIR 8271) have them: at a threshold t, FPIR is
the share of non-mated probes with any enrolled face under t, and FNIR that of mated probes whose nearest enrolled face
is not their own person's, or not under t (FNIR at rank 1).
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from facesim.data.cache import CachedCrops
from facesim.evaluation.formatting import number
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.open_set import OpenSet
from facesim.evaluation.scoring import embed_crops
from facesim.evaluation.uncertainty import bootstrap_by_identity, wilson_interval
from facesim.model import Model
from facesim.model_info import ModelInfo

FPIRS = (0.01, 0.1)  # at which FNIR is stated
_BLOCK = 256  # probes compared with the gallery in one go


@dataclass(frozen=True, slots=True)
class RatesAt:
    """What a threshold costs."""

    name: str
    threshold: float
    false_positives: int  # non-mated probes
    misses: int  # mated probes
    fpir: float
    fpir_interval: tuple[float, float]
    fnir: float
    fnir_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FnirAt:
    """FNIR at the largest threshold at which FPIR is `fpir` or less."""

    fpir: float
    threshold: float
    misses: int  # mated probes
    fnir: float
    fnir_interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """FPIR and FNIR at every threshold at which either changes, all `(c,)`, thresholds ascending."""

    thresholds: np.ndarray
    fpir: np.ndarray
    fnir: np.ndarray


@dataclass(frozen=True, slots=True)
class SearchRates:
    """The rates of a search among many.

    Intervals are 95 %: the probes' people are drawn again, before the same gallery. Where all draws agree, as where
    nobody is missed, they are Wilson's, a person counting as one trial.
    """

    rank1: float  # share of mated probes whose nearest enrolled face is their own person's
    rank1_interval: tuple[float, float]
    points: tuple[RatesAt, ...]  # the model's threshold, then its operating points; those of equal four decimals as one
    fnir_at_fpir: dict[float, FnirAt | None]  # by FPIR; None where it would rest on fewer than ten false positives
    curve: Curve


@dataclass(frozen=True, slots=True)
class Identification:
    """How a model did on an open set; a probe that shows no face is never found, and so is a person enrolled so."""

    protocol: str
    model: str
    seed: int
    enrolled: int  # people, one photo each
    enrolled_seen: int  # of them, whom the model has seen; none has a probe
    enrolled_without_face: int
    mated: int  # probes
    mated_people: int
    mated_without_face: int  # missed
    mated_not_enrolled: int  # missed as well: their person's enrolled photo shows no face, though they do
    non_mated: int  # probes
    non_mated_people: int
    non_mated_without_face: int  # no false positives
    left_out: int  # people with several photos who were drawn to be unknown
    most_each: int | None  # probes of a person; None where a number of probes was asked for
    rates: SearchRates


def identify(open_set: OpenSet, model: Model, crops: CachedCrops | None = None) -> Identification:
    """Compare every probe with all who are enrolled, and say how often the model errs.

    `crops` are those of the open set's photos, where they have been read before.
    """
    crops = crops or open_set.source.crops()
    count, mated_count = len(open_set.enrolled), len(open_set.mated)
    photos = np.concatenate([open_set.enrolled, open_set.mated, open_set.non_mated])
    embeddings, face = embed_crops(model, crops, photos), crops.usable[photos]
    identities = open_set.source.dataset.identities[photos].tolist()
    rows = {name: row for row, name in enumerate(identities[:count])}
    own = np.array([rows.get(name, -1) for name in identities[count:]])
    nearest = nearest_enrolled(embeddings[:count], embeddings[count:], own)
    _, people = np.unique(identities[count:], return_inverse=True)
    mated_face, non_mated_face = face[count : count + mated_count], face[count + mated_count :]
    return Identification(
        protocol=open_set.name,
        model=str(model.path),
        seed=open_set.seed,
        enrolled=count,
        enrolled_seen=open_set.seen,
        enrolled_without_face=int((~face[:count]).sum()),
        mated=mated_count,
        mated_people=len(np.unique(people[:mated_count])),
        mated_without_face=int((~mated_face).sum()),
        mated_not_enrolled=int((mated_face & ~face[own[:mated_count]]).sum()),
        non_mated=len(open_set.non_mated),
        non_mated_people=len(np.unique(people[mated_count:])),
        non_mated_without_face=int((~non_mated_face).sum()),
        left_out=open_set.left_out,
        most_each=open_set.most_each,
        rates=search_rates(nearest, own >= 0, people, model.info),
    )


def nearest_enrolled(enrolled: np.ndarray, probes: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return how far each of the probes, `(p, d)`, is from the nearest enrolled face, of `(g, d)`: `(p,) float`.

    `own`, `(p,) int`, is the row of its own person's, -1 for a non-mated probe. Infinity where nothing is near, as a
    row of NaN (no face) never is, and for a mated probe to which another person's face is nearer, or as near.
    """
    nearest = np.empty(len(probes))
    for start in range(0, len(probes), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = cdist(probes[block], enrolled)
        distances[np.isnan(distances)] = np.inf
        mated = np.flatnonzero(own[block] >= 0)
        of_own = distances[mated, own[block][mated]]
        distances[mated, own[block][mated]] = np.inf
        of_others = distances.min(axis=1)
        nearest[block] = of_others
        nearest[start + mated] = np.where(of_own < of_others[mated], of_own, np.inf)
    return nearest


def search_rates(nearest: np.ndarray, mated: np.ndarray, people: np.ndarray, info: ModelInfo) -> SearchRates:
    """Return the rates of probes by their `nearest` distance, `(p,)` as `nearest_enrolled` gives it.

    `mated`, `(p,) bool`, says of which kind each is, and `people`, `(p,) int`, whom it shows.
    """
    # Mated probes as genuine pairs and non-mated ones as impostor pairs: so FNIR is their FNMR, and FPIR their FMR.
    probes, names = SortedDistances.of(nearest, mated), _names_by_threshold(info)
    mated_people, non_mated_people = (len(np.unique(people[kind])) for kind in (mated, ~mated))

    def measure(probes: SortedDistances) -> list[float]:
        at_fpirs = [1 - probes.tar(fpir, least=0).tar for fpir in FPIRS]
        at_thresholds = [probes.rates(threshold) for threshold in names]
        return [_rank1(probes), *at_fpirs, *(rate for at in at_thresholds for rate in (at.fmr, at.fnmr))]

    trials = [mated_people] * (1 + len(FPIRS)) + [non_mated_people, mated_people] * len(names)
    drawn = bootstrap_by_identity(nearest, mated, people, measure)
    intervals = map(_wilson_where_all_agree, drawn, measure(probes), trials)  # in the order of `measure`
    rank1_interval = next(intervals)
    fnir_at_fpir = {fpir: _fnir_at(probes, fpir, next(intervals)) for fpir in FPIRS}
    points = [_rates_at(probes, threshold, name, next(intervals), next(intervals)) for threshold, name in names.items()]
    return SearchRates(_rank1(probes), rank1_interval, tuple(points), fnir_at_fpir, _curve(probes))


def _names_by_threshold(info: ModelInfo) -> dict[float, str]:
    """Return the model file's thresholds, its own first, and what each is called; two that print alike are one."""
    stored = [(info.threshold, "the model's own"), *((point.threshold, point.name) for point in info.operating_points)]
    names, alike = {}, {}
    for threshold, name in stored:
        threshold = alike.setdefault(number(threshold), threshold)
        names[threshold] = f"{names[threshold]}, {name}" if threshold in names else name
    return names


def _rank1(probes: SortedDistances) -> float:
    return float(probes.rates(np.inf).recall)


def _wilson_where_all_agree(interval: tuple[float, float], rate: float, people: int) -> tuple[float, float]:
    low, high = interval
    return wilson_interval(rate * people, people) if low == high else interval


def _rates_at(
    probes: SortedDistances,
    threshold: float,
    name: str,
    fpir_interval: tuple[float, float],
    fnir_interval: tuple[float, float],
) -> RatesAt:
    at = probes.rates(threshold)
    return RatesAt(
        name=name,
        threshold=threshold,
        false_positives=at.false_matches,
        misses=at.false_non_matches,
        fpir=float(at.fmr),
        fpir_interval=fpir_interval,
        fnir=float(at.fnmr),
        fnir_interval=fnir_interval,
    )


def _fnir_at(probes: SortedDistances, fpir: float, interval: tuple[float, float]) -> FnirAt | None:
    threshold = probes.threshold_for_fmr(fpir)
    if threshold is None:
        return None
    at = probes.rates(threshold)
    return FnirAt(fpir, threshold, at.false_non_matches, float(at.fnmr), interval)


def _curve(probes: SortedDistances) -> Curve:
    distances = np.concatenate([probes.genuine, probes.impostor])
    thresholds = np.append(0, np.nextafter(np.unique(distances[np.isfinite(distances)]), np.inf))  # just above each
    rates = probes.rates(thresholds)
    return Curve(thresholds, rates.fmr, rates.fnmr)
