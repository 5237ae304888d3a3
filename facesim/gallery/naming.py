"""Make people of groups of faces: "Person 1", "Person 2", … until somebody gives them their names."""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facesim.gallery import tables
from facesim.gallery.cluster import group_faces, threshold_for
from facesim.gallery.likely import LikelyPair, likely_pairs
from facesim.gallery.maintenance import vacuum
from facesim.gallery.rows import BOX, FaceRow
from facesim.gallery.store import Gallery
from facesim.model_info import ModelInfo

NUMBERED = re.compile(r"Person ([1-9]\d{0,8})", re.IGNORECASE)  # a name that no user has given
_NUMBERS = "numbers"  # the table that keeps the highest number ever given: who had it may have another name now

_Face = list[FaceRow]  # its rows


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a gallery, with all faces of theirs; `new_count` of them had no name before."""

    name: str
    rows: list[FaceRow]
    new_count: int = 0

    @property
    def is_new(self) -> bool:
        return self.new_count == len(self.rows)


@dataclass(frozen=True, slots=True)
class Naming:
    """Everybody in a gallery, the largest first; the faces without a name; and who shares a group, by their names."""

    people: list[Person]
    unnamed: list[FaceRow]
    together: set[tuple[str, str]] = field(default_factory=set)

    def likely_pairs(self, info: ModelInfo, allow_twice: bool = False) -> list[LikelyPair]:
        """Return the pairs of `people` who are probably one person, as `likely_pairs` finds them, or share a group."""
        index = {person.name: i for i, person in enumerate(self.people)}
        together = {frozenset(index[name] for name in names) for names in self.together}
        return likely_pairs([person.rows for person in self.people], info, together, allow_twice)


def name_groups(gallery: Gallery, info: ModelInfo, threshold: float | None = None, allow_twice: bool = False) -> Naming:
    """Give a name to every face in a gallery that is in a group: somebody's who is there already, or "Person N".

    The groups are those of `group_faces`, at `threshold_for` so many faces unless there is a threshold. A face with a
    name keeps it. One without gets the name of the nearest face in its group that has one, but, unless `allow_twice`,
    no name that is on its photo already. A group of two faces or more without any name becomes a person, the largest
    first, with a number that nobody has had before. All names are written at once, or none.
    """
    with gallery.exclusive():
        rows = list(gallery.rows(faces_only=True))
        if threshold is None:
            threshold = threshold_for(info, len(rows))
        known = _by_name(rows)
        new: defaultdict[str, list[FaceRow]] = defaultdict(list)
        together: set[tuple[str, str]] = set()
        photos = {name: {row.photo for row in theirs} for name, theirs in known.items()}
        nameless = []
        groups = group_faces(rows, threshold, allow_twice)
        for group in groups:
            names = sorted({name for name in map(_name_of, group) if name is not None})
            together.update(itertools.combinations(names, 2))
            for face, name in _nearest_names(group) if names else ():
                if allow_twice or face[0].photo not in photos[name]:
                    photos[name].add(face[0].photo)
                    new[name] += face
            if not names and len(group) > 1:
                nameless.append([row for face in group for row in face])
        numbers = _take_numbers(gallery, known, len(nameless))
        new.update((f"Person {number}", group) for number, group in zip(numbers, nameless, strict=True))
        _write_names(gallery, new)
    vacuum(gallery)
    people = []
    for name in dict.fromkeys((*sorted(known), *new)):
        added = [row._replace(name=name) for row in new.get(name, ())]
        people.append(Person(name, known.get(name, []) + added, len(added)))
    people.sort(key=lambda person: -len(person.rows))
    given = {id(row) for theirs in new.values() for row in theirs}
    faces = (face for group in groups for face in group)
    unnamed = [row for face in faces if _name_of(face) is None for row in face if id(row) not in given]
    return Naming(people, unnamed, together)


def _by_name(rows: Iterable[FaceRow]) -> dict[str, list[FaceRow]]:
    known = defaultdict(list)
    for row in rows:
        if row.name is not None:
            known[row.name].append(row)
    return dict(known)


def _name_of(face: _Face) -> str | None:
    return next((row.name for row in face if row.name is not None), None)


def _nearest_names(group: Sequence[_Face]) -> Iterator[tuple[_Face, str]]:
    """Yield each face of a group that has no name, with the name of the nearest that has one; the closest first."""
    named = [(face[0].embedding, name) for face in group if (name := _name_of(face)) is not None]
    embeddings, found = np.array([embedding for embedding, _ in named]), []
    for face in group:
        if _name_of(face) is None:
            products = embeddings @ face[0].embedding
            found.append((products.max(), face, named[products.argmax()][1]))
    for _, face, name in sorted(found, key=lambda each: -each[0]):
        yield face, name


def _take_numbers(gallery: Gallery, names: Iterable[str], count: int) -> range:
    """Return so many numbers that nobody has had, and note that they are taken; within `exclusive`."""
    import pyarrow as pa

    table = tables.open_table(gallery.address, _NUMBERS)
    with tables.translate_errors(gallery.address):
        taken = table.to_arrow()["taken"].to_pylist() if table else []
        taken += [int(match[1]) for match in map(NUMBERED.fullmatch, names) if match]
        first = max(taken, default=0) + 1
        if count:
            rows = pa.table({"taken": [first + count - 1]})
            tables.connect(gallery.address).create_table(_NUMBERS, rows, mode="overwrite")
    return range(first, first + count)


def _write_names(gallery: Gallery, new: Mapping[str, Sequence[FaceRow]]) -> None:
    """Give faces that have no name theirs, in one change; within `exclusive`."""
    import pyarrow as pa

    named = {(os.fsencode(row.photo), row.box): name for name, rows in new.items() for row in rows}
    if not named:
        return
    kinds = {"photo": pa.binary(), **dict.fromkeys(BOX, pa.int32()), "name": pa.string()}
    columns = zip(*((photo, *(box or ()), name) for (photo, box), name in named.items()), strict=True)
    with tables.translate_errors(gallery.address):
        table = pa.table([*map(list, columns)], pa.schema(kinds.items()))
        merge = gallery.table.merge_insert(["photo", *BOX])
        merge.when_matched_update_all(where="target.name IS NULL").execute(table)
