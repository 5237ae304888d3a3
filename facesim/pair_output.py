"""A result file that grows row by row, can be continued, and has its own name only once it is whole."""

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from facesim.errors import FaceSimError
from facesim.files import ENCODING, check_writable, write_whole
from facesim.pair_list import ADDED, PairList, Tally, first_line, own_name


def partial_of(path: Path) -> Path:
    """Return where the rows of `path` grow."""
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def growing_output(
    path: Path, pairs: PairList, as_json: bool, threshold: float, made_by: dict[str, str], resume: bool
) -> Iterator[tuple[TextIO, Tally]]:
    """Give a file for rows, and the tally of those that it has; it is named `path` once the block has succeeded.

    Until then it is `path`.partial. With `resume` the rows that an interrupted run left there, or that `path` has, are
    passed over in `pairs` and kept; one that was cut short is written anew.

    Raises FaceSimError where it cannot be written, or where what is there is not the beginning of these verdicts; that
    is then as it was.
    """
    partial = partial_of(path)
    for file in (path, partial):
        check_writable(file)
    if not resume and partial.exists():
        raise FaceSimError(f"{partial} is left of an interrupted run: continue it with --resume, or delete it.")
    try:
        kept, tally = 0, Tally()
        begun = next((file for file in (partial, path) if file.exists()), None) if resume else None
        if begun:
            with open(begun, "rb") as file:
                kept, tally = _pass_over_written(file, begun, pairs, as_json, threshold, made_by)
        if begun == path:
            with write_whole(partial) as scratch:
                shutil.copyfile(path, scratch)
        with open(partial, "r+b" if partial.exists() else "w+b") as file:
            file.truncate(kept)
            file.seek(kept)
            with io.TextIOWrapper(file, **ENCODING) as text:
                if not kept and not as_json:
                    text.write(first_line(pairs.columns))
                yield text, tally
        os.replace(partial, path)
    except KeyboardInterrupt as error:
        raise FaceSimError(f"interrupted: {partial} keeps the rows so far; continue with --resume.") from error
    except OSError as error:
        reason = error.strerror or error
        raise FaceSimError(f"{path} cannot be written: {reason}. {partial} has the rows so far: --resume.") from error


def _pass_over_written(
    file: BinaryIO, name: Path, pairs: PairList, as_json: bool, threshold: float, made_by: dict[str, str]
) -> tuple[int, Tally]:
    """Take from `pairs` the rows that the file has whole; return how many bytes these fill, and their tally."""
    kept, tally, own = 0, Tally(), {field: own_name(field, pairs.columns) for field in ADDED}
    for kept, written in (_whole_json if as_json else _whole_csv)(file, name, pairs):  # noqa: B007
        if written is None:
            continue  # the line that names the columns
        row = next(pairs.rows, None)
        if row is None or row.fields != {column: written.get(column) for column in pairs.columns}:
            raise FaceSimError(f"{name} holds the verdicts on other pairs than {pairs.name}: name another output.")
        settings = {field: written.get(own[field]) for field in made_by}
        if settings != made_by or not _is_near(written.get(own["threshold"]), threshold):
            raise FaceSimError(f"{name} was begun with another threshold, model or --faces: name another output.")
        tally = tally.counting(written.get(own["verdict"], ""))
    return kept, tally


def _is_near(written: Any, threshold: float) -> bool:
    if written in (None, ""):
        return True  # a row without a verdict has none
    try:
        return abs(float(written) - threshold) < 1e-6
    except (TypeError, ValueError):
        return False


def _whole_json(file: BinaryIO, name: Path, pairs: PairList) -> Iterator[tuple[int, dict]]:
    """Yield where each whole line ends, and what it holds."""
    _begins(file, f"{{{json.dumps(pairs.columns[0])}: ", name)
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            return
        try:
            written = json.loads(line)
        except ValueError:
            written = None
        if not isinstance(written, dict):
            raise _not_ours(name)
        yield file.tell(), written


def _whole_csv(file: BinaryIO, name: Path, pairs: PairList) -> Iterator[tuple[int, dict | None]]:
    """Yield where each whole row ends, and what it holds; None for the one that names the columns."""
    begin = first_line(pairs.columns)
    if not _begins(file, begin, name):
        return
    yield file.tell(), None
    line = b""

    def lines() -> Iterator[str]:
        nonlocal line
        for line in file:
            yield line.decode(ENCODING["encoding"], ENCODING["errors"])

    (columns,) = csv.reader([begin])
    try:
        for fields in csv.reader(lines()):
            if len(fields) != len(columns) or not line.endswith(b"\n"):
                if file.read(1):
                    raise _not_ours(name)
                return
            yield file.tell(), dict(zip(columns, fields, strict=True))
    except csv.Error as error:
        raise _not_ours(name) from error


def _begins(file: BinaryIO, begin: str, name: Path) -> bool:
    """Return whether the file begins so; False where it ends before that.

    Raises FaceSimError where it begins otherwise.
    """
    expected = begin.encode(ENCODING["encoding"], ENCODING["errors"])
    found = file.read(len(expected))
    if not expected.startswith(found):
        raise _not_ours(name)
    return found == expected


def _not_ours(name: Path) -> FaceSimError:
    return FaceSimError(f"{name} is no list of verdicts in this form and with these columns: name another output.")
