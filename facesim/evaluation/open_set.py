"""Which photos to enrol and which to search for, to measure how well a model finds people among many.

In the words of ISO/IEC 19795-1: the gallery holds one photo of each person *enrolled*; a *probe* is a photo that is
searched for in it, *mated* if its person is enrolled, *non-mated* if not.
"""

from dataclasses import dataclass

import numpy as np

from facesim.data.identities import PhotosByIdentity, rank_within_identity
from facesim.data.source import Source
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import open_data, people_seen, unseen_by
from facesim.model_info import ModelInfo

PROBES_EACH = 5  # of a person, at most, unless a number is asked for: people with many photos would dominate the rates


@dataclass(frozen=True, slots=True)
class OpenSet:
    """A gallery and its probes: indices of `source.dataset.photos`, drawn with `seed`."""

    name: str
    source: Source
    enrolled: np.ndarray  # (g,) int, a photo of each person: first those who have mated probes, then fillers
    seen: int  # fillers: people enrolled whom the model has seen
    mated: np.ndarray  # (m,) int
    non_mated: np.ndarray  # (k,) int
    left_out: int  # people with several photos who were drawn not to be enrolled
    most_each: int | None  # probes of a person; None where a number of probes was asked for
    seed: int


def sample_open_set(
    info: ModelInfo,
    data: tuple[str, ...] = (),
    enrolled: int | None = None,
    probes: int | None = None,
    seed: int = 0,
) -> OpenSet:
    """Draw a gallery and its probes from `data`, by default from what the model was trained on.

    Probes show only people whom the model has not seen, neither in training nor in the choice of its threshold. If
    such a person has two photos or more, one is enrolled and the others are mated probes; a person's only photo is a
    non-mated probe. Where people with one photo are fewer than half of those with several, some of the latter are not
    enrolled, so that as many people are enrolled as not, and all their photos are non-mated probes.

    `enrolled` fills the gallery up to that many people, with one photo each of people whom the model has seen. Probes
    are dealt out in rounds, one of each person per round: five rounds, or until there are `probes`, half of each kind;
    a kind with too few photos stays short.

    Raises FaceSimError where there is nobody to enrol or nobody else, or where `enrolled` or `probes` is impossible.
    """
    if probes is not None and probes < 2:
        raise FaceSimError(f"{probes} probes are too few: ask for two or more, half of them mated.")
    source, random = open_data(info, data), np.random.default_rng(seed)
    dataset, photos = source.dataset, np.flatnonzero(source.selected)
    people = PhotosByIdentity(dataset.identities[photos])
    seen = np.isin(np.unique(dataset.identities[photos]), list(people_seen(info, dataset)))
    known, unknown, left_out = _choose_known(people.counts, seen, random, dataset.name)
    rounds = rank_within_identity(people.numbers, random.permutation(len(photos)))
    turns = random.permutation(len(seen))[people.numbers]  # people come in one order in every round
    by_round = np.lexsort((turns, rounds))
    mated = by_round[np.isin(people.numbers, known)[by_round] & (rounds[by_round] > 0)]  # round 0 is enrolled
    non_mated = by_round[np.isin(people.numbers, unknown)[by_round]]
    if probes is None:
        mated, non_mated = mated[rounds[mated] <= PROBES_EACH], non_mated[rounds[non_mated] < PROBES_EACH]
    else:
        mated, non_mated = mated[: probes // 2], non_mated[: probes // 2]
    fillers = random.permutation(np.flatnonzero(seen))  # drawn last: the probes are the same whatever is enrolled
    fillers = _fill_gallery(len(known), fillers, enrolled, dataset.name)
    first_photos = np.empty(len(seen), int)
    first_photos[people.numbers[rounds == 0]] = photos[rounds == 0]
    return OpenSet(
        name=f"{dataset.name}, {unseen_by((info,)) if seen.any() else 'all its people'}, drawn with seed {seed}",
        source=source,
        enrolled=first_photos[np.append(known, fillers)],
        seen=len(fillers),
        mated=photos[mated],
        non_mated=photos[non_mated],
        left_out=left_out,
        most_each=PROBES_EACH if probes is None else None,
        seed=seed,
    )


def _choose_known(
    counts: np.ndarray, seen: np.ndarray, random: np.random.Generator, name: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return whom to enrol and whom not, of people with `counts` photos each whom the model has not `seen`.

    The third is how many of those not enrolled have several photos.
    """
    single, several = np.flatnonzero(~seen & (counts == 1)), random.permutation(np.flatnonzero(~seen & (counts > 1)))
    left_out = (len(several) - len(single)) // 2 if len(single) < len(several) / 2 else 0
    known, unknown = several[left_out:], np.append(single, several[:left_out])
    if not len(known) or not len(unknown):
        raise FaceSimError(
            f"{name} holds {(~seen).sum():,} people whom the model has not seen, {len(several):,} of them with two "
            "photos or more: at least one of these is needed to enrol, and another person not to be. Name other data."
        )
    return known, unknown, left_out


def _fill_gallery(known: int, fillers: np.ndarray, enrolled: int | None, name: str) -> np.ndarray:
    """Return as many of the `fillers` as bring `known` people up to `enrolled`, by default none."""
    enrolled = known if enrolled is None else enrolled
    if not known <= enrolled <= known + len(fillers):
        raise FaceSimError(
            f"{enrolled:,} people cannot be enrolled: the {known:,} who have mated probes must be, and {name} has "
            f"{len(fillers):,} further people (seen by the model) to fill the gallery."
        )
    return fillers[: enrolled - known]
