"""The reference: strangers, unlike the people trained on, whom a trained model must not confuse more than its start."""

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from facesim.data.cache import CachedCrops, cached_crops
from facesim.data.dataset import Dataset
from facesim.data.lfw import data_home
from facesim.data.pairs import Pairs, all_pairs
from facesim.data.source import Source, draw_subset, open_source
from facesim.data.split import MIN_PEOPLE
from facesim.errors import FaceSimError
from facesim.evaluation.metrics import Interval, SortedDistances
from facesim.evaluation.protocol import people_seen
from facesim.evaluation.uncertainty import rate_intervals
from facesim.training.settings import Settings
from facesim.training.start import begun_from_model

LFW, NONE = "lfw", "none"
PEOPLE, PHOTOS = 150, 2  # at most, and of each: they make 150 genuine and 44,700 impostor pairs


@dataclass(frozen=True)
class Reference:
    """All pairs of some photos of people whom neither the start nor the run has seen."""

    name: str
    dataset: Dataset
    pairs: Pairs

    @functools.cached_property
    def crops(self) -> CachedCrops:
        """Cut the faces, or read what an earlier call has cut."""
        return cached_crops(self.dataset)


@dataclass(frozen=True, slots=True)
class ReferenceRates:
    """A model's errors on the reference, with 95 % intervals by identity."""

    fmr: float
    fmr_interval: Interval
    fnmr: float
    fnmr_interval: Interval

    def worse_than(self, start: "ReferenceRates") -> bool:
        """Return whether an error rate is above the interval of the start's."""
        return self.fmr > start.fmr_interval[1] or self.fnmr > start.fnmr_interval[1]


def open_reference(settings: Settings, source: Source) -> Reference | None:
    """Draw the reference that a run on `source` is tested on; None where it has no start to compare with, or no model.

    None, too, for "lfw" if that is not on this machine, or if there are too few strangers in it, as where the run
    trains on it.

    Raises FaceSimError if a folder holds fewer than ten people with two photos who are neither in `source` nor among
    those whom `start` has seen.
    """
    name, start = settings.reference, begun_from_model(settings)
    if start is None or settings.folds or name == NONE or (name == LFW and not lfw_is_here()):
        return None
    found = open_source((name,))
    whole = found.dataset
    run = dataclasses.replace(start, trained_on={"train_identities": np.unique(source.dataset.identities).tolist()})
    seen = people_seen(start, whole) | people_seen(run, whole)
    photos = np.flatnonzero(found.selected & ~np.isin(whole.identities, list(seen)))
    names, counts = np.unique(whole.identities[photos], return_counts=True)
    several = names[counts >= PHOTOS]
    if len(several) < MIN_PEOPLE and name == LFW:
        return None
    if len(several) < MIN_PEOPLE:
        raise FaceSimError(
            f"--reference {name} holds {len(several)} people with two photos whom neither the start nor this run has "
            f"seen, and {MIN_PEOPLE} are needed: name another folder, or none."
        )
    photos = photos[np.isin(whole.identities[photos], several)]
    photos = photos[draw_subset(whole.identities[photos], min(PEOPLE, len(several)), PHOTOS, seed=0)]
    drawn = Dataset(
        f"{whole.name}-reference", whole.root, tuple(whole.photos[i] for i in photos), whole.identities[photos]
    )
    return Reference(whole.name, drawn, all_pairs(drawn.identities))


def lfw_is_here() -> bool:
    """Return whether LFW and its list of pairs are where `find_lfw` looks, so that nothing is downloaded."""
    return (data_home() / "lfw").is_dir() and (data_home() / "lfw-protocol" / "pairs.txt").is_file()


def rate_reference(reference: Reference, distances: np.ndarray, threshold: float) -> ReferenceRates:
    """Measure the errors at a threshold, given the distances of the reference's pairs, `(n,)`."""
    same = reference.pairs.same
    people = reference.pairs.people(reference.dataset.identities)
    wrong = (distances < threshold) != same
    (fmr_interval,), (fnmr_interval,) = (rate_intervals(wrong[kind, None], people[kind]) for kind in (~same, same))
    return ReferenceRates(float(wrong[~same].mean()), fmr_interval, float(wrong[same].mean()), fnmr_interval)


def highest_threshold(reference: Reference, distances: np.ndarray, start: ReferenceRates) -> float:
    """Return the largest threshold at which no more strangers match than the interval of the start's FMR allows."""
    return SortedDistances.of(distances, reference.pairs.same).largest_threshold(start.fmr_interval[1])
