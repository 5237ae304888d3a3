"""Verdicts on a list of pairs: read as CSV, written as CSV or as JSON lines, row by row."""

import csv
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TextIO

from facesim.detector.selection import box_text
from facesim.errors import FaceSimError
from facesim.verifier import Verdict, Verifier

PHOTOS = ("photo1", "photo2")
ADDED = ("verdict", "distance", "threshold", "probability", "box1", "box2", "warning", "error")


class Row(NamedTuple):
    """A row of a pair list: its fields by column, and why it names no pair, or ""."""

    fields: dict[str, str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PairList:
    """Pairs of photos as a CSV file names them: its columns, and its rows as they come."""

    name: str
    folder: str  # photos lie relative to it
    columns: tuple[str, ...]
    rows: Iterator[Row]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows were written: same, different, and without a verdict."""

    same: int
    different: int
    failed: int


def read_pair_list(file: TextIO, name: str, folder: str = "") -> PairList:
    """Read a CSV file whose first line names the columns, photo1 and photo2 among them; its rows are read later.

    Raises FaceSimError, with the line, where it makes no sense; a row with too few or too many fields has a `problem`.
    """
    reader = csv.reader(file)
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise FaceSimError(f"{name} is not a CSV file ({error}).") from error
    if not set(PHOTOS) <= set(columns):
        raise FaceSimError(f"{name} must begin with a line that names its columns, photo1 and photo2 among them.")
    doubtful = sorted({column for column in columns if columns.count(column) > 1 or column in ADDED})
    if doubtful:
        raise FaceSimError(f"{name} has a column {doubtful[0]} twice, or one that facesim writes itself: rename it.")
    return PairList(name, folder, columns, _rows(reader, name, columns))


def _rows(reader, name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    try:
        for fields in reader:
            if not fields:
                continue  # an empty line
            problem = ""
            if len(fields) != len(columns):
                problem = f"line {reader.line_num} has {len(fields)} fields, where the first has {len(columns)}."
            padded = (*fields, *[""] * len(columns))
            yield Row(dict(zip(columns, padded, strict=False)), problem)
    except csv.Error as error:
        raise FaceSimError(f"{name}, line {reader.line_num}, is not CSV ({error}).") from error


def judge_rows(verifier: Verifier, pairs: PairList, faces: str) -> Iterator[tuple[Row, Verdict | FaceSimError]]:
    """Yield each row with its verdict, or with what kept it from one, in order."""
    waiting: deque[Row] = deque()

    def photos() -> Iterator[tuple[str, str]]:
        for row in pairs.rows:
            waiting.append(row)
            if not row.problem:
                yield tuple(_place(pairs.folder, row.fields[column]) for column in PHOTOS)

    for verdict in verifier.verify_many(photos(), faces):
        yield from _problems(waiting)
        yield waiting.popleft(), verdict
    yield from _problems(waiting)


def _problems(waiting: deque[Row]) -> Iterator[tuple[Row, FaceSimError]]:
    while waiting and waiting[0].problem:
        yield waiting[0], FaceSimError(waiting.popleft().problem)


def _place(folder: str, photo: str) -> str:
    return photo if "://" in photo else os.path.join(folder, photo)


def write_verdicts(
    rows: Iterable[tuple[Row, Verdict | FaceSimError]], columns: tuple[str, ...], output: TextIO, as_json: bool
) -> Iterator[Tally]:
    """Write each row to `output` as it comes, and yield the tally so far after each; as CSV begin with `columns`.

    `columns` is empty where the output is continued.
    """
    same = different = failed = 0
    writer = csv.writer(output, lineterminator="\n")
    if columns and not as_json:
        writer.writerow((*columns, *ADDED))
    for row, verdict in rows:
        if isinstance(verdict, FaceSimError):
            failed += 1
        elif verdict.same:
            same += 1
        else:
            different += 1
        if as_json:
            output.write(json.dumps(row.fields | _as_dict(verdict)) + "\n")
        else:
            writer.writerow((*row.fields.values(), *_as_fields(verdict)))
        output.flush()
        yield Tally(same, different, failed)


def _as_dict(verdict: Verdict | FaceSimError) -> dict[str, Any]:
    return {"error": str(verdict)} if isinstance(verdict, FaceSimError) else verdict.as_dict()


def _as_fields(verdict: Verdict | FaceSimError) -> tuple[str, ...]:
    """Return the fields of the columns `ADDED`."""
    if isinstance(verdict, FaceSimError):
        return (*[""] * (len(ADDED) - 1), " ".join(str(verdict).split()))
    numbers = (f"{verdict.distance:.6f}", f"{verdict.threshold:.6f}", f"{verdict.probability:.6f}")
    faces = (verdict.face1, verdict.face2)
    warnings = "; ".join(f"{face.photo}: {warning}" for face in faces for warning in face.warnings)
    boxes = (box_text(face.box) for face in faces)
    return ("same" if verdict.same else "different", *numbers, *boxes, warnings, "")
