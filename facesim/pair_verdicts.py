"""Verdicts on a list of pairs, row by row, written as CSV or as JSON lines."""

import csv
import io
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from facesim.detector.box import box_text
from facesim.errors import FaceSimError
from facesim.pair_list import PHOTOS, PairList, Row, quotes_hint
from facesim.verifier import Verdict, Verifier

ADDED = ("verdict", "distance", "threshold", "probability", "box1", "box2", "warning", "error", "faces", "fingerprint")


def compare_rows(verifier: Verifier, pairs: PairList, selection: str) -> Iterator[tuple[Row, Verdict | FaceSimError]]:
    """Yield each row with its verdict, or with the error in its place, in order."""
    waiting: deque[Row] = deque()

    def photos() -> Iterator[tuple[str, str]]:
        for row in pairs.rows:
            paths = pairs.photos(row)
            row = row._replace(problem=row.problem or _missing_in_quotes(row, paths))
            waiting.append(row)
            if not row.problem:
                yield paths

    for verdict in verifier.verify_many(photos(), selection):
        yield from _problems(waiting)
        yield waiting.popleft(), verdict
    yield from _problems(waiting)


def _missing_in_quotes(row: Row, paths: tuple[str, str]) -> str:
    for column, path in zip(PHOTOS, paths, strict=True):
        hint = quotes_hint([row.fields[column]])
        if hint and not os.path.exists(path):
            return f"line {row.line}: {row.fields[column]} does not exist{hint}."
    return ""


def _problems(waiting: deque[Row]) -> Iterator[tuple[Row, FaceSimError]]:
    while waiting and waiting[0].problem:
        yield waiting[0], FaceSimError(waiting.popleft().problem)


def own_name(name: str, columns: tuple[str, ...]) -> str:
    """Return what facesim calls a field of its own: facesim_NAME if the list has a column NAME."""
    while name in columns:
        name = f"facesim_{name}"
    return name


def first_line(columns: tuple[str, ...]) -> str:
    """Return the heading, as a line of CSV, of the verdicts on a list with these columns."""
    return _csv_line((*columns, *(own_name(name, columns) for name in ADDED)))


def _csv_line(fields: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue()


def write_verdicts(
    rows: Iterable[tuple[Row, Verdict | FaceSimError]],
    columns: tuple[str, ...],
    made_by: dict[str, str],
    output: TextIO,
    as_json: bool,
) -> Iterator[str]:
    """Write each row of a list with these columns as it comes, and yield its verdict: same, different or "" for none.

    `made_by` holds the fields faces and fingerprint.
    """
    for row, verdict in rows:
        ours = (_json_fields if as_json else _csv_fields)(verdict) | made_by
        if as_json:
            named = {own_name(name, columns): value for name, value in ours.items()}
            output.write(json.dumps(row.fields | named) + "\n")
        else:
            output.write(_csv_line((*row.fields.values(), *(ours.get(name, "") for name in ADDED))))
        output.flush()
        yield ours.get("verdict", "")


def _json_fields(verdict: Verdict | FaceSimError) -> dict[str, Any]:
    if isinstance(verdict, FaceSimError):
        return {"error": str(verdict)}
    return {"verdict": _word(verdict)} | verdict.as_dict()


def _csv_fields(verdict: Verdict | FaceSimError) -> dict[str, str]:
    if isinstance(verdict, FaceSimError):
        return {"error": " ".join(str(verdict).split())}
    faces = {"box1": verdict.face1, "box2": verdict.face2}
    warnings = (f"{face.photo}: {warning}" for face in faces.values() for warning in face.warnings)
    numbers = {name: f"{getattr(verdict, name):.6f}" for name in ("distance", "threshold", "probability")}
    boxes = {name: box_text(face.box) for name, face in faces.items()}
    return {"verdict": _word(verdict), "warning": "; ".join(warnings)} | numbers | boxes


def _word(verdict: Verdict) -> str:
    return "same" if verdict.same else "different"
