"""Errors by group: the error rates of each group of people, or of photos, at the thresholds in a model file.

A pair is within a group if both its photos are in it, and *across* groups otherwise. ISO/IEC 19795-10 calls differences
between the groups' rates differential performance.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from pathlib import PurePath

import numpy as np

from facesim.data.people import read_people
from facesim.errors import FaceSimError
from facesim.evaluation.metrics import Interval
from facesim.evaluation.protocol import Protocol
from facesim.evaluation.scoring import Scores
from facesim.evaluation.uncertainty import rate_intervals
from facesim.model_info import ModelInfo
from facesim.names import name_key

MIN_PAIRS = 100  # a rate on fewer is not stated
MAX_GROUPS = 50
UNKNOWN = "unknown"
ACROSS = "across groups"
_MAX_CROSSED = 3  # groups of people, up to which each two of them are a group of pairs across
_MAX_CROSSED_PHOTOS = 10  # the same for groups that share people, as frontal and profile photos do


@dataclass(frozen=True, slots=True)
class Rate:
    """An error rate and its 95 % interval; both None where there are too few pairs."""

    errors: int
    pairs: int
    rate: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class GroupRates:
    """The error rates on the pairs within a group, or across groups."""

    group: str
    across: bool
    people: int | None  # None where it is unknown who is in the pairs
    fmr: Rate
    fnmr: Rate


@dataclass(frozen=True, slots=True)
class Ratio:
    """Differential performance: the worst group's rate, divided by the best group's."""

    ratio: float
    at_least: bool  # the best group has no error: the ratio is to the upper end of its interval
    worst: str
    best: str


@dataclass(frozen=True, slots=True)
class GroupsAt:
    """Each group's error rates at one of the model file's thresholds; a ratio is None where there are too few pairs."""

    name: str
    threshold: float
    groups: tuple[GroupRates, ...]
    fmr_ratio: Ratio | None
    fnmr_ratio: Ratio | None


@dataclass(frozen=True, slots=True)
class GroupReport:
    """Errors by group, at each threshold in the model file."""

    by: tuple[str, ...]
    points: tuple[GroupsAt, ...]


def check_columns(protocol: Protocol, by: Sequence[str]) -> None:
    """Raise FaceSimError where a protocol's pairs have no such columns, before its photos are read."""
    known = set(_pair_columns(protocol)) | set(_person_columns(protocol)) | set(_PHOTO_COLUMNS)
    for column in by:
        if column not in known:
            raise FaceSimError(f"--by {column}: there is no such column; there are {', '.join(sorted(known))}.")


def group_pairs(scores: Scores, by: Sequence[str]) -> np.ndarray:
    """Return the groups of both photos of each pair, `(n, 2) str`; several columns make combined groups, as "a, b".

    A column is one of the CSV file of pairs (COLUMN for both photos, or COLUMN1 and COLUMN2 for one each), one of
    people.csv, "detector" (which found the face), or "prefix" (of the photo's file name).

    Raises FaceSimError where there is no such column.
    """
    protocol = scores.protocol
    check_columns(protocol, by)
    of_pairs, of_people = _pair_columns(protocol), _person_columns(protocol)
    sides = np.stack([protocol.pairs.first, protocol.pairs.second], axis=1)

    def sides_of(column: str) -> np.ndarray:
        if column in of_pairs:
            return of_pairs[column]
        return (of_people[column] if column in of_people else _PHOTO_COLUMNS[column](scores))[sides]

    values = np.stack([sides_of(column) for column in by], axis=-1)
    kinds, numbers = np.unique(values.reshape(-1, len(by)), axis=0, return_inverse=True)
    names = [UNKNOWN if not any(kind) else ", ".join(value or UNKNOWN for value in kind) for kind in kinds.tolist()]
    return np.array(names)[numbers].reshape(sides.shape)


def _pair_columns(protocol: Protocol) -> dict[str, np.ndarray]:
    """Return the columns of a CSV file of pairs, `(n, 2) str` each."""
    columns = protocol.columns
    both = {name: np.stack([values, values], axis=1) for name, values in columns.items()}
    stems = [name[:-1] for name in columns if name.endswith("1") and name[:-1] + "2" in columns]
    return both | {stem: np.stack([columns[stem + "1"], columns[stem + "2"]], axis=1) for stem in stems}


def _person_columns(protocol: Protocol) -> dict[str, np.ndarray]:
    """Return the columns of people.csv for whoever is on each photo, `(photos,) str` each; "" where it has no value."""
    known = [read_people(part.root) for part in protocol.source.parts]
    columns = dict.fromkeys(column for part in known for column in part)
    return {
        column: np.array(
            [
                values.get(column, {}).get(name_key(identity), "")
                for part, values in zip(protocol.source.parts, known, strict=True)
                for identity in part.identities.tolist()
            ]
        )
        for column in columns
    }


def prefix(photo: str) -> str:
    """Return what a photo's file name begins with, up to the first digit: "frontal" of "frontal_03.jpg"."""
    return "".join(takewhile(lambda letter: not letter.isdigit(), PurePath(photo).stem)).strip("_- ")


_PHOTO_COLUMNS: dict[str, Callable[[Scores], np.ndarray]] = {
    "detector": lambda scores: np.where(scores.crops.usable, scores.crops.detectors, "no face"),
    "prefix": lambda scores: np.array([prefix(photo) for photo in scores.protocol.source.dataset.photos]),
}


def measure_groups(scores: Scores, info: ModelInfo, by: Sequence[str]) -> GroupReport:
    """Measure FMR and FNMR within groups and across them, at each threshold in a model file.

    A pair without a face is a non-match. Intervals are by drawing people; where they are unknown, or no error was seen,
    Wilson's.

    Raises FaceSimError where there is no such column, or where there are more than 50 groups.
    """
    same = scores.protocol.pairs.same
    groups = group_pairs(scores, by)
    names = np.unique(groups).tolist()
    if len(names) > MAX_GROUPS:
        raise FaceSimError(f"--by {' --by '.join(by)} makes {len(names):,} groups: the most is {MAX_GROUPS}.")
    points = [(point.name, point.threshold) for point in info.operating_points] or [("stored", info.threshold)]
    thresholds = np.array([threshold for _, threshold in points])
    matches = scores.distances[:, None] < thresholds
    identities = scores.protocol.identities_of_pairs()
    shared = bool((same & (groups[:, 0] != groups[:, 1])).any())  # genuine pairs across: these are groups of photos

    rows = []  # of each group, its rates at every threshold
    for name, across, members in _members(groups, names, shared):
        fmr, fnmr = (
            _rates(wrong[members & kind], None if identities is None else identities[members & kind])
            for kind, wrong in ((~same, matches), (same, ~matches))
        )
        shown = members if across else groups == name  # a group's people are also those of its pairs across
        count = None if identities is None else len(np.unique(identities[shown]))
        rows.append([GroupRates(name, across, count, *rates) for rates in zip(fmr, fnmr, strict=True)])
    at_points = []
    for (name, threshold), *groups_at in zip(points, *rows, strict=True):
        compared = [group for group in groups_at if shared or not group.across]
        fmr_ratio = _ratio([(group.group, group.fmr) for group in compared])
        fnmr_ratio = _ratio([(group.group, group.fnmr) for group in compared])
        at_points.append(GroupsAt(name, threshold, tuple(groups_at), fmr_ratio, fnmr_ratio))
    return GroupReport(tuple(by), tuple(at_points))


def _members(groups: np.ndarray, names: list[str], shared: bool) -> Iterator[tuple[str, bool, np.ndarray]]:
    """Yield each group, and then those across groups: the name, whether it is across, and its pairs, `(n,) bool`."""
    first, second = groups.T
    for name in names:
        yield name, False, (first == name) & (second == name)
    if len(names) <= (_MAX_CROSSED_PHOTOS if shared else _MAX_CROSSED):
        for one, other in combinations(names, 2):
            members = ((first == one) & (second == other)) | ((first == other) & (second == one))
            if members.any():
                yield f"{one} × {other}", True, members
    elif (first != second).any():
        yield ACROSS, True, first != second


def _rates(wrong: np.ndarray, identities: np.ndarray | None) -> list[Rate]:
    """Return the error rate of each column of `wrong`, `(n, k) bool`."""
    errors, pairs = wrong.sum(axis=0).tolist(), len(wrong)
    if pairs < MIN_PAIRS:
        return [Rate(count, pairs, None, None) for count in errors]
    intervals = rate_intervals(wrong, identities)
    return [Rate(count, pairs, count / pairs, interval) for count, interval in zip(errors, intervals, strict=True)]


def _ratio(rates: list[tuple[str, Rate]]) -> Ratio | None:
    """Return the ratio of the highest rate to the lowest; of several groups without an error, the largest is best."""
    stated = [(rate.rate, rate.interval[1], name) for name, rate in rates if rate.rate is not None and rate.interval]
    if len(stated) < 2 or not max(stated)[0]:
        return None
    (worst, _, worst_name), (best, upper, best_name) = max(stated), min(stated)
    ratio = worst / (best or upper)
    return Ratio(ratio, not best, worst_name, best_name) if best or ratio > 1 else None
