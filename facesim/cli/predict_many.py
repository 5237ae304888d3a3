"""`facesim predict` with a folder or a list of pairs."""

import contextlib
import dataclasses
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from facesim.detector.selection import cut_faces
from facesim.errors import FaceSimError
from facesim.files import ENCODING, check_apart, same_file
from facesim.folder import photos_in
from facesim.pair_list import (
    PairList,
    Row,
    Tally,
    as_text,
    first_line,
    judge_rows,
    open_pair_list,
    read_pair_list,
    write_verdicts,
)
from facesim.pair_output import growing_output, partial_of
from facesim.verifier import Verifier


def compare_with_folder(verifier: Verifier, photo: str, folder: str, selection: str, as_json: bool) -> int:
    """Print the verdicts on a photo and each in a folder, nearest first; return the exit status."""
    cut_faces(photo, selection)  # where this photo is at fault, none of the others is
    others = [other for other in photos_in(folder) if not same_file(other, photo)]
    if not others:
        raise FaceSimError(f"{folder} holds no other photo: give a folder with .jpg or .png files.")
    verdicts, failed = [], 0
    with _progress(len(others), "comparing") as bar:
        for verdict in verifier.verify_many(((photo, other) for other in others), selection):
            bar.update(1)
            if isinstance(verdict, FaceSimError):
                failed += 1
                click.echo(f"facesim: {verdict}", err=True)
            else:
                verdicts.append(verdict)
    if not verdicts:
        raise FaceSimError(f"none of the {failed} photos in {folder} could be compared.")
    verdicts.sort(key=lambda verdict: verdict.distance)
    if not as_json:
        click.echo("distance  verdict    probability    photo")
    for verdict in verdicts:
        if as_json:
            click.echo(json.dumps(verdict.as_dict()))
        else:
            word = "same" if verdict.same else "different"
            click.echo(f"{verdict.distance:<8.4f}  {word:<9}  {verdict.probability_text:<13}  {verdict.face2.photo}")
    return 0 if verdicts[0].same else 1


def compare_pairs(
    verifier: Verifier, name: str, output: str | None, resume: bool, selection: str, as_json: bool
) -> int:
    """Write the verdicts on a list of pairs, in its order; return the exit status."""
    read_once = name == "-" or not os.path.isfile(name)
    outputs = [] if output is None else [Path(output), partial_of(Path(output))]
    listed = "/dev/stdin" if name == "-" else name
    check_apart([*outputs, Path("/dev/stdout")], [listed])  # a list that grows as it is read would never end
    check_apart(outputs, [verifier.model.path] if read_once else _read_beside(name, verifier))
    made_by = {"faces": selection, "fingerprint": verifier.model.fingerprint[:12]}
    with contextlib.ExitStack() as stack:
        if name == "-":
            pairs = read_pair_list(as_text(_standard_stream("stdin")), "the list on stdin")
        else:
            pairs = stack.enter_context(open_pair_list(name))
        if read_once:  # so that its photos could not be looked at before
            pairs = dataclasses.replace(pairs, rows=_apart(pairs, outputs))
        if output is None:
            to, kept = io.TextIOWrapper(_standard_stream("stdout"), **ENCODING), Tally()
            if not as_json:
                to.write(first_line(pairs.columns))
                to.flush()
        else:
            growing = growing_output(Path(output), pairs, as_json, verifier.threshold, made_by, resume)
            to, kept = stack.enter_context(growing)
        count = None if read_once else _count_lines(name)
        bar = stack.enter_context(_progress(count, "comparing", hidden=output is None and sys.stdout.isatty()))
        bar.update(kept.rows)
        tally, rows = kept, judge_rows(verifier, pairs, selection)
        for tally in write_verdicts(rows, pairs.columns, made_by, to, as_json, kept):  # noqa: B007
            bar.update(1)
        to.flush()
    if not tally.rows:
        click.echo("facesim: there was no pair to compare.", err=True)
        return 0
    click.echo(
        f"facesim: {tally.same:,} same, {tally.different:,} different, {tally.failed:,} without a verdict.", err=True
    )
    return 2 if tally.failed else 0


def _read_beside(name: str, verifier: Verifier) -> Iterator[str | os.PathLike[str]]:
    """Yield the files that are read beside a list: the model and its photos."""
    yield verifier.model.path
    with open_pair_list(name) as pairs:
        for row in pairs.rows:
            yield from pairs.photos(row)


def _apart(pairs: PairList, outputs: list[Path]) -> Iterator[Row]:
    for row in pairs.rows:
        check_apart(outputs, pairs.photos(row))
        yield row


def _standard_stream(name: str) -> BinaryIO:
    stream = getattr(sys, name)
    if stream is None:
        raise FaceSimError(f"{name} is closed: name a file.")
    return open(stream.fileno(), "rb" if name == "stdin" else "wb", closefd=False)


def _count_lines(name: str) -> int:
    with open(name, "rb") as file:
        return max(0, sum(1 for line in file if line.strip()) - 1)


def _progress(count: int | None, label: str, hidden: bool = False):
    steps = iter(int, 1) if count is None else range(count)  # endless, or as many as there are
    return click.progressbar(steps, label=label, file=sys.stderr, hidden=hidden or not sys.stderr.isatty())
