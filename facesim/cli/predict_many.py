"""`facesim predict` with a folder or a list of pairs."""

import contextlib
import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from facesim.cli.messages import note
from facesim.detector.selection import cut_faces
from facesim.errors import FaceSimError
from facesim.files import check_apart, same_file, utf8_text
from facesim.folder import photos_in
from facesim.pair_list import PairList, Row, as_text, open_pair_list, read_pair_list
from facesim.pair_output import growing_output, partial_of
from facesim.pair_verdicts import compare_rows, first_line, write_verdicts
from facesim.verifier import Verifier


def compare_with_folder(verifier: Verifier, photo: str, folder: str, selection: str, as_json: bool) -> int:
    """Print the verdicts on a photo and each in a folder, nearest first; return the exit status."""
    cut_faces(photo, selection)  # if this photo cannot be used, do not open the others
    others = [other for other in photos_in(folder) if not same_file(other, photo)]
    if not others:
        raise FaceSimError(f"{folder} holds no other photo: give a folder with .jpg or .png files.")
    verdicts, failed = [], 0
    with _progress(len(others)) as bar:
        for verdict in verifier.verify_many(((photo, other) for other in others), selection):
            bar.update(1)
            if isinstance(verdict, FaceSimError):
                failed += 1
                note(verdict)
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
    verifier: Verifier, name: str, output: Path | None, resume: bool, selection: str, as_json: bool
) -> int:
    """Write the verdicts on a list of pairs, in its order; return the exit status."""
    read_once = name == "-" or not os.path.isfile(name)
    outputs = [] if output is None else [output, partial_of(output)]
    listed = "/dev/stdin" if name == "-" else name
    check_apart([*outputs, Path("/dev/stdout")], [listed])  # a list that grows while it is read would never end
    check_apart(outputs, [verifier.model.path] if read_once else _inputs(name, verifier))
    made_by = {"faces": selection, "fingerprint": verifier.model.fingerprint[:12]}
    with contextlib.ExitStack() as stack:
        if name == "-":
            stdin = stack.enter_context(open(_descriptor("stdin"), "rb", closefd=False))
            pairs = read_pair_list(as_text(stdin), "the list on stdin")
        else:
            pairs = stack.enter_context(open_pair_list(name))
        if read_once:  # so its photos could not be checked above
            pairs = dataclasses.replace(pairs, rows=_checked(pairs, outputs))
        if output is None:
            stdout = stack.enter_context(open(_descriptor("stdout"), "wb", closefd=False))
            text, counts = utf8_text(stdout), Counter[str]()
            if not as_json:
                text.write(first_line(pairs.columns))
                text.flush()
        else:
            growing = growing_output(output, pairs, as_json, verifier.threshold, made_by, resume)
            text, counts = stack.enter_context(growing)
        length = None if read_once else _count_lines(name)
        bar = stack.enter_context(_progress(length, hidden=output is None and sys.stdout.isatty()))
        bar.update(counts.total())
        rows = compare_rows(verifier, pairs, selection)
        for verdict in write_verdicts(rows, pairs.columns, made_by, text, as_json):
            counts[verdict] += 1
            bar.update(1)
        text.flush()
    if not counts:
        note("there was no pair to compare.")
        return 0
    note(f"{counts['same']:,} same, {counts['different']:,} different, {counts['']:,} without a verdict.")
    return 2 if counts[""] else 0


def _inputs(name: str, verifier: Verifier) -> Iterator[str | os.PathLike[str]]:
    """Yield the files that are read besides a list: the model and the list's photos."""
    yield verifier.model.path
    with open_pair_list(name) as pairs:
        for row in pairs.rows:
            yield from pairs.photos(row)


def _checked(pairs: PairList, outputs: list[Path]) -> Iterator[Row]:
    for row in pairs.rows:
        check_apart(outputs, pairs.photos(row))
        yield row


def _descriptor(name: str) -> int:
    stream = getattr(sys, name)
    if stream is None:
        raise FaceSimError(f"{name} is closed: name a file.")
    return stream.fileno()


def _count_lines(name: str) -> int:
    with open(name, "rb") as file:
        return max(0, sum(1 for line in file if line.strip()) - 1)


def _progress(length, hidden=False):
    steps = iter(int, 1) if length is None else range(length)  # without a length, an endless iterator
    return click.progressbar(steps, label="comparing", file=sys.stderr, hidden=hidden or not sys.stderr.isatty())
