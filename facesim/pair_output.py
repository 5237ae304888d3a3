"""A result file that grows row by row, can be continued, and has its own name only once it is whole."""

import contextlib
import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from facesim.errors import FaceSimError
from facesim.files import ENCODING, check_writable, write_whole
from facesim.pair_list import ADDED, PHOTOS, PairList


@contextlib.contextmanager
def growing_output(
    path: Path, pairs: PairList, as_json: bool, threshold: float, resume: bool
) -> Iterator[tuple[TextIO, tuple[str, ...]]]:
    """Give a file for the rows of `path`, and the columns to begin it with; named `path` once the block has succeeded.

    Until then it is `path`.partial. With `resume` the rows that an interrupted run left there, or that `path` has, are
    passed over in `pairs` and kept; one that was cut short is written anew.

    Raises FaceSimError where it cannot be written or belongs to other pairs, another model or threshold.
    """
    check_writable(path)
    partial = path.with_name(f"{path.name}.partial")
    if not resume and partial.exists():
        raise FaceSimError(f"{partial} is left of an interrupted run: go on with it by --resume, or delete it.")
    try:
        if resume and path.exists() and not partial.exists():
            with write_whole(partial) as scratch:
                shutil.copyfile(path, scratch)
        with open(partial, "r+b" if partial.exists() else "w+b") as file:
            kept = _pass_over_written(file, path, pairs, as_json, threshold)
            file.truncate(kept)
            file.seek(kept)
            with io.TextIOWrapper(file, **ENCODING) as text:
                yield text, () if kept else pairs.columns
        os.replace(partial, path)
    except KeyboardInterrupt as error:
        raise FaceSimError(f"interrupted: {partial} keeps the rows so far; go on with --resume.") from error
    except OSError as error:
        reason = error.strerror or error
        raise FaceSimError(f"{path} cannot be written: {reason}. {partial} has the rows so far: --resume.") from error


def _pass_over_written(file: BinaryIO, path: Path, pairs: PairList, as_json: bool, threshold: float) -> int:
    """Take from `pairs` the rows that the file has whole, and return how many bytes these fill."""
    kept = 0
    for end, written in _whole_json(file) if as_json else _whole_csv(file, path, pairs):
        kept = end
        if written is None:
            continue  # the line that names the columns
        row = next(pairs.rows, None)
        if row is None or any(row.fields[column] != written.get(column) for column in PHOTOS):
            raise FaceSimError(f"{path} holds the verdicts on other pairs than {pairs.name}: name another output.")
        if written.get("threshold") not in (None, "") and abs(float(written["threshold"]) - threshold) > 1e-6:
            raise FaceSimError(f"{path} was begun with another threshold or model: name another output.")
    return kept


def _whole_json(file: BinaryIO) -> Iterator[tuple[int, dict]]:
    end = 0
    for line in file:
        try:
            written = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n") or not isinstance(written, dict):
            return
        end += len(line)
        yield end, written


def _whole_csv(file: BinaryIO, path: Path, pairs: PairList) -> Iterator[tuple[int, dict | None]]:
    end, line = 0, b""

    def lines() -> Iterator[str]:
        nonlocal end, line
        for line in file:
            end += len(line)
            yield line.decode(ENCODING["encoding"], ENCODING["errors"])

    columns = [*pairs.columns, *ADDED]
    for number, fields in enumerate(csv.reader(lines())):
        if len(fields) != len(columns) or not line.endswith(b"\n"):
            return
        if number == 0 and fields != columns:
            raise FaceSimError(f"{path} has other columns than {pairs.name} and its verdicts: name another output.")
        yield end, dict(zip(columns, fields, strict=True)) if number else None
