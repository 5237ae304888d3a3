"""How often a search among many people errs: rank-1, FPIR and FNIR.

As in ISO/IEC 19795-1 and NIST's evaluations of identification (FRTE 1:N, NISTIR 8271): at a threshold t, FPIR is the
share of non-mated probes with any enrolled face under t, and FNIR that of mated probes whose nearest enrolled face is
not their own person's, or not under t (FNIR at rank 1).
"""

from dataclasses import dataclass

import numpy as np

from facesim.evaluation.formatting import number
from facesim.evaluation.metrics import Interval, SortedDistances
from facesim.evaluation.open_set import OpenSet
from facesim.evaluation.scoring import embed_crops
from facesim.evaluation.uncertainty import bootstrap_by_identity, wilson_interval
from facesim.gallery.thresholds import default_threshold
from facesim.model import Model
from facesim.model_info import ModelInfo

FPIRS = (0.01, 0.1)  # at which FNIR is stated
_BLOCK = 256  # probes compared with the gallery at once


@dataclass(frozen=True, slots=True)
class RatesAt:
    """The errors of a search at a threshold."""

    name: str
    threshold: float
    false_positives: int  # non-mated probes
    misses: int  # mated probes
    fpir: float
    fpir_interval: Interval
    fnir: float
    fnir_interval: Interval


@dataclass(frozen=True, slots=True)
class FnirAt:
    """FNIR at the largest threshold at which FPIR is `fpir` or less."""

    fpir: float
    threshold: float
    misses: int  # mated probes
    fnir: float
    fnir_interval: Interval


@dataclass(frozen=True, slots=True)
class Curve:
    """FPIR and FNIR at every threshold at which either changes, all `(c,)`, thresholds ascending."""

    thresholds: np.ndarray
    fpir: np.ndarray
    fnir: np.ndarray


@dataclass(frozen=True, slots=True)
class SearchRates:
    """The error rates of a search among many people.

    Intervals are 95 %, by drawing the probes' people again before the same gallery. Where all draws agree, as where
    nobody is missed, they are Wilson's, with each person as one trial.
    """

    rank1: float  # share of mated probes whose nearest enrolled face is their own person's
    rank1_interval: Interval
    points: tuple[RatesAt, ...]  # the model's threshold, then its operating points; those that print alike are one
    fnir_at_fpir: dict[float, FnirAt | None]  # by FPIR; None where it would rest on fewer than ten false positives
    curve: Curve


@dataclass(frozen=True, slots=True)
class Identification:
    """A model's results on an open set; a probe without a face, or a person enrolled without one, is never found."""

    protocol: str
    model: str
    seed: int
    enrolled: int  # people, one photo each
    enrolled_seen: int  # of them, people whom the model has seen; none has a probe
    enrolled_without_face: int
    default_threshold: float  # that `facesim identify` uses with so many people enrolled
    mated: int  # probes
    mated_people: int
    mated_without_face: int  # missed
    mated_not_enrolled: int  # missed as well: their person's enrolled photo shows no face, though they do
    non_mated: int  # probes
    non_mated_people: int
    non_mated_without_face: int  # no false positives
    left_out: int  # people with several photos who were drawn not to be enrolled
    most_each: int | None  # probes of a person; None where a number of probes was asked for
    rates: SearchRates


def identify(open_set: OpenSet, model: Model) -> Identification:
    """Compare every probe with everybody enrolled, and measure how often the model errs."""
    count, mated_count = len(open_set.enrolled), len(open_set.mated)
    photos = np.concatenate([open_set.enrolled, open_set.mated, open_set.non_mated])
    crops = open_set.source.crops(photos)
    embeddings, face = embed_crops(model, crops, photos), crops.usable[photos]
    names = open_set.source.dataset.identities[photos].tolist()
    rows = {name: row for row, name in enumerate(names[:count])}
    own = np.array([rows.get(name, -1) for name in names[count:]])
    nearest = nearest_enrolled(embeddings[:count], embeddings[count:], own)
    _, identities = np.unique(names[count:], return_inverse=True)
    mated_face, non_mated_face = face[count : count + mated_count], face[count + mated_count :]
    return Identification(
        protocol=open_set.name,
        model=str(model.path),
        seed=open_set.seed,
        enrolled=count,
        enrolled_seen=open_set.seen,
        enrolled_without_face=int((~face[:count]).sum()),
        default_threshold=default_threshold(model.info, int(face[:count].sum())),
        mated=mated_count,
        mated_people=len(np.unique(identities[:mated_count])),
        mated_without_face=int((~mated_face).sum()),
        mated_not_enrolled=int((mated_face & ~face[own[:mated_count]]).sum()),
        non_mated=len(open_set.non_mated),
        non_mated_people=len(np.unique(identities[mated_count:])),
        non_mated_without_face=int((~non_mated_face).sum()),
        left_out=open_set.left_out,
        most_each=open_set.most_each,
        rates=search_rates(nearest, own >= 0, identities, model.info),
    )


def nearest_enrolled(enrolled: np.ndarray, probes: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return how far each of the probes, `(p, d)`, is from the nearest enrolled face, of `(g, d)`: `(p,) float`.

    `own`, `(p,) int`, is the row of its own person's face, -1 for a non-mated probe. The distance is infinite for a
    mated probe to which another person's face is nearer or as near, and to or from a row of NaN (no face).
    """
    from scipy.spatial.distance import cdist  # only for those who identify

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


def search_rates(nearest: np.ndarray, mated: np.ndarray, identities: np.ndarray, info: ModelInfo) -> SearchRates:
    """Return the rates of probes by their `nearest` distance, `(p,)`, as `nearest_enrolled` gives it.

    `mated`, `(p,) bool`, says which probes are, and `identities`, `(p,) int`, whom each shows.
    """
    # With mated probes as genuine pairs and non-mated ones as impostor pairs, FNIR is the FNMR and FPIR the FMR.
    probes, names = SortedDistances.of(nearest, mated), _names_by_threshold(info)

    def measure(probes: SortedDistances) -> dict[tuple[str, float], float]:
        """Return each rate by its kind and the threshold, or the FPIR, at which it is measured."""
        measured = {("rank-1", np.inf): float(probes.rates(np.inf).recall)}
        for fpir in FPIRS:
            measured["FNIR at FPIR", fpir] = 1 - probes.rates(probes.largest_threshold(fpir)).recall
        for threshold in names:
            rates = probes.rates(threshold)
            measured["FPIR", threshold], measured["FNIR", threshold] = rates.fmr, rates.fnmr
        return measured

    measured, intervals = measure(probes), bootstrap_by_identity(nearest, mated, identities, measure)
    for (kind, at), rate in measured.items():
        low, high = intervals[kind, at]
        if low == high:
            people = len(np.unique(identities[~mated if kind == "FPIR" else mated]))
            intervals[kind, at] = wilson_interval(rate * people, people)

    points = []
    for threshold, name in names.items():
        rates = probes.rates(threshold)
        points.append(
            RatesAt(
                name=name,
                threshold=threshold,
                false_positives=int(rates.false_matches),
                misses=int(rates.false_non_matches),
                fpir=float(measured["FPIR", threshold]),
                fpir_interval=intervals["FPIR", threshold],
                fnir=float(measured["FNIR", threshold]),
                fnir_interval=intervals["FNIR", threshold],
            )
        )
    return SearchRates(
        rank1=measured["rank-1", np.inf],
        rank1_interval=intervals["rank-1", np.inf],
        points=tuple(points),
        fnir_at_fpir={fpir: _fnir_at(probes, fpir, intervals["FNIR at FPIR", fpir]) for fpir in FPIRS},
        curve=_curve(probes),
    )


def _names_by_threshold(info: ModelInfo) -> dict[float, str]:
    """Return the model file's thresholds, its own first, with their names; two that print alike are one."""
    stored = [(info.threshold, "the model's own"), *((point.threshold, point.name) for point in info.operating_points)]
    alike: dict[str, tuple[float, list[str]]] = {}  # by how a threshold is printed
    for threshold, name in stored:
        alike.setdefault(number(threshold), (threshold, []))[1].append(name)
    return {threshold: ", ".join(names) for threshold, names in alike.values()}


def _fnir_at(probes: SortedDistances, fpir: float, interval: Interval) -> FnirAt | None:
    threshold = probes.threshold_for_fmr(fpir)
    if threshold is None:
        return None
    rates = probes.rates(threshold)
    return FnirAt(fpir, threshold, int(rates.false_non_matches), float(rates.fnmr), interval)


def _curve(probes: SortedDistances) -> Curve:
    distances = np.concatenate([probes.genuine, probes.impostor])
    thresholds = np.append(0, np.nextafter(np.unique(distances[np.isfinite(distances)]), np.inf))  # just above each
    rates = probes.curve(thresholds)
    return Curve(thresholds, rates.fmr, rates.fnmr)
