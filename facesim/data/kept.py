"""What facesim keeps in the user's cache: all of it can be made or downloaded again."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pooch

from facesim.errors import FaceSimError

KINDS = {
    "crops": "faces cut from data sets, a file for each photo",
    "embeddings": "embeddings of these faces, a folder for each network",
    "lfw": "Labeled Faces in the Wild, as downloaded",
    "benchmarks": "what the benchmarks have installed",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """How much is kept of a kind, and where."""

    kind: str
    path: Path
    files: int
    bytes: int


def kept(kinds: tuple[str, ...] = ()) -> list[Kept]:
    """Return what is kept of each of `kinds`, by default of all KINDS; of embeddings, what is kept of each model.

    Raises FaceSimError if there is no such kind.
    """
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise FaceSimError(f"{sorted(unknown)[0]} is nothing that facesim keeps: it keeps {', '.join(KINDS)}.")
    return [one for kind in kinds or KINDS for one in _measure(kind)]


def clear(kinds: tuple[str, ...] = ()) -> list[Kept]:
    """Delete what is kept of `kinds`, by default of all KINDS, and return what that was.

    A run that still needs a crop cuts it again. A link is left as it is, with what it leads to.

    Raises FaceSimError if there is no such kind, or if something could not be deleted.
    """
    cleared = kept(kinds)
    for kind in kinds or KINDS:
        for entry in _entries(kind):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    entry.unlink()
    for one in kept(kinds):
        if one.files:
            raise FaceSimError(
                f"{one.path} is not empty, {one.files:,} files are left: check who may delete them, and that no other "
                "run is writing there."
            )
    return cleared


def _entries(kind: str) -> list[Path]:
    home = Path(pooch.os_cache("facesim"))
    if kind in ("crops", "embeddings"):
        entries = sorted((home / kind).iterdir()) if (home / kind).is_dir() else []
    else:
        entries = [home / name for name in (("lfw", "lfw-protocol", "lfw.tgz") if kind == "lfw" else (kind,))]
    return [entry for entry in entries if not entry.is_symlink()]


def _measure(kind: str) -> list[Kept]:
    home, entries = Path(pooch.os_cache("facesim")) / kind, _entries(kind)
    if kind == "embeddings" and entries:
        return [_total(kind, entry, [entry]) for entry in entries]
    return [_total(kind, home, entries)]


def _total(kind: str, path: Path, entries: list[Path]) -> Kept:
    files = length = 0
    for entry in entries:
        found = [os.path.join(folder, name) for folder, _, names in os.walk(entry) for name in names]
        for file in found if entry.is_dir() else [entry]:
            with contextlib.suppress(OSError):  # another run has just deleted it
                length += os.lstat(file).st_size
                files += 1
    return Kept(kind, path, files, length)
