"""Which pairs a model is evaluated on: pairs of photos of people it has never seen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facesim.data.dataset import Dataset
from facesim.data.lfw import find_view1
from facesim.data.pairs import Pairs, all_pairs, join_pairs, sample_pairs
from facesim.data.source import Source, open_source
from facesim.errors import FaceSimError
from facesim.evaluation.arguments import check_arguments
from facesim.model_info import ModelInfo
from facesim.names import name_key
from facesim.pair_list import PHOTOS, open_pair_list

COUNT = 1000  # pairs drawn of each kind
MAX_PAIRS = 1_000_000  # up to which all pairs of the photos of unseen people are taken; else MANY of each kind
MANY = 100_000
_SAME = dict.fromkeys(("1", "true", "yes", "same"), True) | dict.fromkeys(("0", "false", "no", "different"), False)
_COLUMNS = (*PHOTOS, "same")


@dataclass(frozen=True, slots=True)
class Protocol:
    """Pairs to evaluate a model on, and, where the protocol has its own, those to choose the threshold on."""

    name: str
    source: Source
    pairs: Pairs
    folds: np.ndarray | None = None  # (n,) int, View 2: each fold's threshold is chosen on the others
    development: Pairs | None = None  # View 1: the pairs to choose the threshold on
    seed: int | None = None  # with which pairs were drawn; None where they were not
    columns: dict[str, np.ndarray] = field(default_factory=dict)  # (n,) str: a CSV file's further columns

    @property
    def people(self) -> int | None:
        """Return how many identities the pairs show; None where that is not known."""
        identities = self.identities_of_pairs()
        return None if identities is None else len(np.unique(identities))

    def files(self, *others: Path | None) -> list[Path]:
        """Return the files that an evaluation reads: `others`, as the model file and the list of pairs, and photos."""
        return [*filter(None, others), *self.source.dataset.paths()]

    def identities_of_pairs(self) -> np.ndarray | None:
        """Return who is in each pair, `(n, 2) int`; None where that is not known."""
        identities = self.source.dataset.identities
        return None if "" in identities else self.pairs.people(identities)


def open_protocol(
    info: ModelInfo,
    data: tuple[str, ...] = (),
    view: str | None = None,
    pairs: Path | None = None,
    count: int | None = None,
    seed: int = 0,
    also: tuple[ModelInfo, ...] = (),
    every_pair: bool = False,
) -> Protocol:
    """Return the pairs to evaluate the model of `info` on, and those of `also`, models to be compared with it.

    `pairs` names a CSV file, and `view` is LFW's View "1" or "2". Otherwise pairs come from `data` (data sets as
    `open_source` reads them; by default those that the model was trained on) and show only people whom the models have
    not seen: LFW's official folds, where some hold nobody else, or `count` pairs of each kind, drawn by identity with
    `seed`. Without a `count`, `every_pair` takes all pairs of their photos, or, of over a million,
    100,000 of each kind.

    Raises FaceSimError where there are no such pairs, or where a model has seen people of the view. Who is on the
    photos of a CSV file is unknown, and so is whether the model has seen them.
    """
    check_arguments(data, view, pairs, count)
    if pairs is not None:
        return read_pairs(pairs)
    if view in ("1", "2"):
        return _lfw_view((info, *also), view)
    return _unseen_people((info, *also), open_data(info, data), count, seed, every_pair)


def open_data(info: ModelInfo, data: tuple[str, ...] = ()) -> Source:
    """Open the data sets that `data` names, as `open_source` does; by default those that the model was trained on.

    Raises FaceSimError where one cannot be read, or where the model file names none.
    """
    return open_source(data or training_data(info))


def training_data(info: ModelInfo) -> tuple[str, ...]:
    """Return the names of the data sets that a model was trained on; raises FaceSimError where its file has none."""
    names = info.trained_on.get("settings", {}).get("data") or info.trained_on.get("data")
    if not names:
        raise FaceSimError("the model file does not say what it was trained on: name a data set to evaluate it on.")
    return (names,) if isinstance(names, str) else tuple(names)


def read_pairs(path: Path) -> Protocol:
    """Read a list of pairs with a column same (1 or 0), as `read_pair_list` does; photos are relative to its folder.

    Raises FaceSimError, with the line, where it is malformed or a photo is missing.
    """
    index: dict[str, int] = {}  # of each photo
    pairs, others = [], []
    with open_pair_list(path) as listed:
        if "same" not in listed.columns:
            raise FaceSimError(f"{path} must begin with a line of the columns {', '.join(_COLUMNS)}.")
        more = [column for column in listed.columns if column not in _COLUMNS]
        for row in listed.rows:
            *photos, same = (row.fields[column] for column in _COLUMNS)
            for photo in photos:
                if not photo or not (path.parent / photo).is_file():
                    raise FaceSimError(f"{path}, line {row.line}: {photo or 'a photo'} is not there.")
            if same.strip().lower() not in _SAME:
                raise FaceSimError(f"{path}, line {row.line}: same must be 1 or 0, not {same!r}.")
            first, second = (index.setdefault(photo, len(index)) for photo in photos)
            pairs.append((first, second, _SAME[same.strip().lower()]))
            others.append([row.fields[column].strip() for column in more])
    if not pairs:
        raise FaceSimError(f"{path} holds no pairs.")
    dataset = Dataset(path.stem, path.parent, tuple(index), np.full(len(index), ""))
    source = Source((dataset,), dataset, np.ones(len(index), bool), ())
    columns = {column: np.array(values) for column, values in zip(more, zip(*others, strict=True), strict=True)}
    return Protocol(path.name, source, Pairs(*map(np.array, zip(*pairs, strict=True))), columns=columns)


def people_seen(info: ModelInfo, dataset: Dataset) -> set[str]:
    """Return who in a data set may have been in the model's training, or in the choice of its threshold.

    This includes whom the model that it was begun from has seen, and who chose when it was calibrated. A model file
    that does not name whom it was trained on is taken to have seen everybody in a data set of the same name except its
    test people.
    """
    people = {name_key(name): name for name in set(dataset.identities.tolist()) - {""}}
    seen: set[str] = set()
    trained_on: dict[str, Any] | None = info.trained_on
    while trained_on:
        seen |= people.keys() & set(map(name_key, trained_on.get("calibrated_on", {}).get("identities", ())))
        if "train_identities" in trained_on:
            chose = {*trained_on["train_identities"], *trained_on.get("validation_identities", ())}
            seen |= people.keys() & set(map(name_key, chose))
        elif set(dataset.name.split("+")) & set(str(trained_on.get("data")).split("+")):
            seen |= people.keys() - set(map(name_key, trained_on.get("test_identities", ())))
        trained_on = trained_on.get("begun_from")
    return {people[key] for key in seen}


def _lfw_view(infos: tuple[ModelInfo, ...], view: str) -> Protocol:
    source = open_source(("lfw",))
    if view == "2":
        folds = np.repeat(np.arange(len(source.lfw_folds)), [len(pairs) for pairs in source.lfw_folds])
        protocol = Protocol("LFW View 2", source, join_pairs(source.lfw_folds), folds)
    else:
        development, pairs = find_view1(source.dataset)
        protocol = Protocol("LFW View 1", source, pairs, development=development)
    every = [pairs for pairs in (protocol.pairs, protocol.development) if pairs is not None]
    people = set(source.dataset.identities[join_pairs(every).photos()].tolist())
    seen = people & set().union(*(people_seen(info, source.dataset) for info in infos))
    if seen:
        raise FaceSimError(
            f"no figure for {protocol.name}: the model was trained, or its threshold chosen, on {len(seen):,} of its "
            f"{len(people):,} people; evaluate it on its held-out people, or train once per fold (train --folds 10)."
        )
    return protocol


def unseen_by(infos: tuple[ModelInfo, ...]) -> str:
    """Describe the people whom the models have not seen; whom an adopted one was trained on is unknown."""
    adopted = any("adopted" in info.trained_on for info in infos)
    return "people who did not choose its threshold" if adopted else "people it never saw"


def _unseen_people(
    infos: tuple[ModelInfo, ...], source: Source, count: int | None, seed: int, every_pair: bool
) -> Protocol:
    dataset = source.dataset
    seen = set().union(*(people_seen(info, dataset) for info in infos))
    unseen = ~np.isin(dataset.identities, list(seen))
    if count is None and not every_pair:
        folds = [i for i, pairs in enumerate(source.lfw_folds) if unseen[pairs.photos()].all()]
        if folds:
            name = f"{dataset.name}, official folds {', '.join(str(fold + 1) for fold in folds)}"
            return Protocol(name, source, join_pairs([source.lfw_folds[fold] for fold in folds]))
    photos = np.flatnonzero(unseen & source.selected)
    kind = unseen_by(infos) if seen else "all its people"
    if count is None and every_pair:
        if 0 < len(photos) * (len(photos) - 1) // 2 <= MAX_PAIRS:
            pairs = all_pairs(dataset.identities[photos]).among(photos)
            return Protocol(f"{dataset.name}, {kind}, all pairs", source, pairs)
        count = MANY
    try:
        drawn = sample_pairs(dataset.identities[photos], count or COUNT, count or COUNT, seed)
    except FaceSimError as error:
        people = len(np.unique(dataset.identities[photos]))
        raise FaceSimError(
            f"{dataset.name} holds {people} people whom the model has not seen: {error} Name other data."
        ) from error
    name = f"{dataset.name}, {kind}, pairs drawn with seed {seed}"
    return Protocol(name, source, drawn.among(photos), seed=seed)
