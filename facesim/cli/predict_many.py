"""`facesim predict` with a folder or a list of pairs."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TextIO

import click

from facesim.detector.selection import cut_faces
from facesim.errors import FaceSimError
from facesim.files import ENCODING, same_file
from facesim.folder import photos_in
from facesim.pair_list import judge_rows, read_pair_list, write_verdicts
from facesim.pair_output import growing_output
from facesim.verifier import Verifier


def compare_with_folder(verifier: Verifier, photo: str, folder: str, faces: str, as_json: bool) -> int:
    """Print the verdicts on a photo and each in a folder, nearest first; return the exit status."""
    cut_faces(photo, faces)  # where this photo is at fault, none of the others is
    others = [other for other in photos_in(folder) if not same_file(other, photo)]
    if not others:
        raise FaceSimError(f"{folder} holds no other photo: give a folder with .jpg or .png files.")
    verdicts, failed = [], 0
    with _progress(len(others), "comparing") as bar:
        for verdict in verifier.verify_many(((photo, other) for other in others), faces):
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


def compare_pairs(verifier: Verifier, name: str, output: str | None, resume: bool, faces: str, as_json: bool) -> int:
    """Write the verdicts on a list of pairs, in its order; return the exit status."""
    with contextlib.ExitStack() as stack:
        if name == "-":
            pairs, count = read_pair_list(_standard_stream("stdin"), "the list on stdin"), None
        else:
            count = _count_lines(name)
            file = stack.enter_context(open(name, encoding="utf-8-sig", errors="surrogateescape", newline=""))
            pairs = read_pair_list(file, name, os.path.dirname(name))
        if output is None:
            to, columns = _standard_stream("stdout"), pairs.columns
        else:
            growing = growing_output(Path(output), pairs, as_json, verifier.threshold, resume)
            to, columns = stack.enter_context(growing)
        bar = stack.enter_context(_progress(count, "comparing", hidden=output is None and sys.stdout.isatty()))
        tally = None
        for tally in write_verdicts(judge_rows(verifier, pairs, faces), columns, to, as_json):  # noqa: B007
            bar.update(1)
    if tally is None:
        click.echo("facesim: no pair was left to compare.", err=True)
        return 0
    click.echo(
        f"facesim: {tally.same:,} same, {tally.different:,} different, {tally.failed:,} without a verdict.", err=True
    )
    return 2 if tally.failed else 0


def _standard_stream(name: str) -> TextIO:
    stream = getattr(sys, name)
    if stream is None:
        raise FaceSimError(f"{name} is closed: name a file.")
    encoding = ENCODING | ({"encoding": "utf-8-sig"} if name == "stdin" else {})
    return open(stream.fileno(), "r" if name == "stdin" else "w", closefd=False, **encoding)


def _count_lines(name: str) -> int | None:
    if not os.path.isfile(name):
        return None  # a pipe can be read but once
    with open(name, "rb") as file:
        return max(0, sum(1 for line in file if line.strip()) - 1)


def _progress(count: int | None, label: str, hidden: bool = False):
    steps = iter(int, 1) if count is None else range(count)  # endless, or as many as there are
    return click.progressbar(steps, label=label, file=sys.stderr, hidden=hidden or not sys.stderr.isatty())
