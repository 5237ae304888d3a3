"""Whom to enrol and who comes, to judge how well a model recognises people among many, strangers among the comers.

In the words of ISO/IEC 19795-1: the gallery holds one photo of each person *enrolled*; a *probe* is a photo that is
looked for in it, *mated* if its person is enrolled, *non-mated* if not.
"""

from dataclasses import dataclass

import numpy as np

from facesim.data.identities import rank_within_identity
from facesim.data.source import Source
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import open_data, people_seen, unseen_by
from facesim.model_info import ModelInfo

PROBES_EACH = 5  # of a person, at most, where no number is asked for: else people with many photos own the rates


@dataclass(frozen=True, slots=True)
class OpenSet:
    """A gallery and its probes: indices of `source.dataset.photos`, drawn with `seed`."""

    name: str
    source: Source
    enrolled: np.ndarray  # (g,) int, one photo of each person; those who have mated probes, then further people
    seen: int  # people enrolled whom the model has seen: the further ones
    mated: np.ndarray  # (m,) int
    non_mated: np.ndarray  # (k,) int
    left_out: int  # people with several photos who were drawn to be unknown
    most_each: int | None  # probes of a person; None where a number of probes was asked for
    seed: int


def sample_open_set(
    info: ModelInfo,
    data: tuple[str, ...] = (),
    enrolled: int | None = None,
    probes: int | None = None,
    seed: int = 0,
) -> OpenSet:
    """Draw a gallery and its probes from `data`, by default what the model was trained on.

    Probes show only people whom the model has not seen, neither in training nor in the choice of its threshold. Where
    such a person has two photos or more, one is enrolled and the others are mated probes; a person's only photo is a
    non-mated probe. Where people with one photo are fewer than half of those with several, some of the latter are left
    out of the gallery, until enrolled and unknown are as many, and all their photos are non-mated probes.

    `enrolled` fills the gallery up to that many people, with a photo each of those whom the model has seen. Probes are
    dealt out in rounds, one of each person a round: five rounds, or until there are `probes`, half of each kind; a
    kind that has too few stays short.

    Raises FaceSimError where there is nobody to enrol or nobody unknown, or where `enrolled` or `probes` cannot be.
    """
    if probes is not None and probes < 2:
        raise FaceSimError(f"{probes} probes are too few: ask for two or more, half of them mated.")
    source, random = open_data(info, data), np.random.default_rng(seed)
    photos, dataset = np.flatnonzero(source.selected), source.dataset
    names, people, counts = np.unique(dataset.identities[photos], return_inverse=True, return_counts=True)
    seen = np.isin(names, list(people_seen(info, dataset)))
    single, several = np.flatnonzero(~seen & (counts == 1)), random.permutation(np.flatnonzero(~seen & (counts > 1)))
    left_out = (len(several) - len(single)) // 2 if len(single) < len(several) / 2 else 0
    known, unknown = several[left_out:], np.append(single, several[:left_out])
    if not len(known) or not len(unknown):
        raise FaceSimError(
            f"{dataset.name} holds {(~seen).sum():,} people whom the model has not seen, {len(several):,} of them with "
            "two photos or more: one such is needed to enrol, and another person to be unknown. Name other data."
        )
    rounds = rank_within_identity(people, random.permutation(len(people)))
    order = np.lexsort((random.permutation(len(names))[people], rounds))  # round by round, people in one random order
    mated = order[np.isin(people[order], known) & (rounds[order] > 0)]  # a person's first photo is the enrolled one
    non_mated = order[np.isin(people[order], unknown)]
    if probes is None:
        mated, non_mated = mated[rounds[mated] <= PROBES_EACH], non_mated[rounds[non_mated] < PROBES_EACH]
    else:
        mated, non_mated = mated[: probes // 2], non_mated[: probes // 2]
    further = random.permutation(np.flatnonzero(seen))  # drawn last: whatever is enrolled, the probes are the same
    enrolled = len(known) if enrolled is None else enrolled
    if not len(known) <= enrolled <= len(known) + len(further):
        raise FaceSimError(
            f"{enrolled:,} people cannot be enrolled: the {len(known):,} who have mated probes must be, and "
            f"{dataset.name} has {len(further):,} further people (seen by the model) to fill the gallery."
        )
    further = further[: enrolled - len(known)]
    first_photos = np.flatnonzero(rounds == 0)
    first_photos = first_photos[np.argsort(people[first_photos])]  # of each person
    return OpenSet(
        name=f"{dataset.name}, {unseen_by((info,)) if seen.any() else 'all its people'}, drawn with seed {seed}",
        source=source,
        enrolled=photos[first_photos[np.append(known, further)]],
        seen=len(further),
        mated=photos[mated],
        non_mated=photos[non_mated],
        left_out=left_out,
        most_each=PROBES_EACH if probes is None else None,
        seed=seed,
    )
