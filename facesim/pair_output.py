"""A file of verdicts that grows row by row, can be resumed, and gets its own name once it is complete."""

import contextlib
import csv
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from facesim.errors import FaceSimError
from facesim.files import UTF_8, check_writable, utf8_text, write_whole
from facesim.pair_list import PairList
from facesim.pair_verdicts import ADDED, first_line, own_name


def partial_of(path: Path) -> Path:
    """Return what `path` is called until it is complete."""
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def growing_output(
    path: Path, pairs: PairList, as_json: bool, threshold: float, made_by: dict[str, str], resume: bool
) -> Iterator[tuple[TextIO, Counter[str]]]:
    """Yield a file for rows, and the verdicts of those that it has, counted; it becomes `path` if the block succeeds.

    Until then it is `path`.partial. With `resume`, the rows that an interrupted run left there, or that `path` has, are
    kept, and skipped in `pairs`; one that was cut short is written again.

    Raises FaceSimError if it cannot be written, or if what exists is not the beginning of these verdicts; that is not
    changed.
    """
    partial = partial_of(path)
    for file in (path, partial):
        check_writable(file)
    if not resume and partial.exists():
        raise FaceSimError(f"{partial} is left of an interrupted run: continue it with --resume, or delete it.")
    begun = next((file for file in (partial, path) if file.exists()), None) if resume else None
    try:
        length, counts = _skip_written(begun, pairs, as_json, threshold, made_by) if begun else (0, Counter[str]())
        if begun == path:
            with write_whole(partial) as scratch:
                shutil.copyfile(path, scratch)
        partial.touch()
        with open(partial, "r+b") as grown:
            grown.truncate(length)
            grown.seek(length)
            with utf8_text(grown) as text:
                if not length and not as_json:
                    text.write(first_line(pairs.columns))
                yield text, counts
        os.replace(partial, path)
    except KeyboardInterrupt as error:
        raise FaceSimError(f"interrupted: {partial} keeps the rows so far; continue with --resume.") from error
    except OSError as error:
        reason = error.strerror or error
        raise FaceSimError(f"{path} cannot be written: {reason}. {partial} has the rows so far: --resume.") from error


def _skip_written(
    path: Path, pairs: PairList, as_json: bool, threshold: float, made_by: dict[str, str]
) -> tuple[int, Counter[str]]:
    """Take from `pairs` the complete rows of a file; return their length in bytes, and their verdicts, counted."""
    length, counts = 0, Counter[str]()
    own = {field: own_name(field, pairs.columns) for field in ADDED}
    with open(path, "rb") as file:
        for length, written in (_json_rows if as_json else _csv_rows)(file, path, pairs):  # noqa: B007
            if written is None:
                continue  # the heading
            row = next(pairs.rows, None)
            if row is None or row.fields != {column: written.get(column) for column in pairs.columns}:
                raise FaceSimError(f"{path} holds the verdicts on other pairs than {pairs.name}: name another output.")
            settings = {field: written.get(own[field]) for field in made_by}
            if settings != made_by or not _is_near(written.get(own["threshold"]), threshold):
                raise FaceSimError(f"{path} was begun with another threshold, model or --faces: name another output.")
            counts[written.get(own["verdict"], "")] += 1
    return length, counts


def _is_near(written: Any, threshold: float) -> bool:
    if written in (None, ""):
        return True  # a row without a verdict has none
    try:
        return abs(float(written) - threshold) < 1e-6
    except (TypeError, ValueError):
        return False


def _json_rows(file: BinaryIO, path: Path, pairs: PairList) -> Iterator[tuple[int, dict]]:
    """Yield where each complete line ends, and what it holds."""
    _begins_with(file, f"{{{json.dumps(pairs.columns[0])}: ", path)
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            return
        try:
            written = json.loads(line)
        except ValueError:
            written = None
        if not isinstance(written, dict):
            raise _not_ours(path)
        yield file.tell(), written


def _csv_rows(file: BinaryIO, path: Path, pairs: PairList) -> Iterator[tuple[int, dict | None]]:
    """Yield where each complete row ends, and what it holds; None for the heading."""
    heading = first_line(pairs.columns)
    if not _begins_with(file, heading, path):
        return
    yield file.tell(), None
    line = b""

    def lines() -> Iterator[str]:
        nonlocal line
        for line in file:
            yield line.decode(*UTF_8)

    (columns,) = csv.reader([heading])
    try:
        for fields in csv.reader(lines()):
            if len(fields) != len(columns) or not line.endswith(b"\n"):
                if file.read(1):
                    raise _not_ours(path)
                return
            yield file.tell(), dict(zip(columns, fields, strict=True))
    except csv.Error as error:
        raise _not_ours(path) from error


def _begins_with(file: BinaryIO, beginning: str, path: Path) -> bool:
    """Return whether a file begins so; False if it ends before.

    Raises FaceSimError if it begins otherwise.
    """
    expected = beginning.encode(*UTF_8)
    found = file.read(len(expected))
    if not expected.startswith(found):
        raise _not_ours(path)
    return found == expected


def _not_ours(path: Path) -> FaceSimError:
    return FaceSimError(f"{path} is no list of verdicts in this form and with these columns: name another output.")
