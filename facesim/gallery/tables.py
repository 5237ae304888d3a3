"""Where a gallery lies, in a folder or in an object store: its tables, its lock, and its errors as sentences."""

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import portalocker

os.environ.setdefault("LANCE_LOG", "error")  # what they would warn of is nothing that a user can mend
os.environ.setdefault("LANCEDB_LOG", "error")

import lancedb

from facesim.errors import FaceSimError
from facesim.text import printable

LOCK = ".facesim-lock"
PATIENCE = 30  # seconds that one process waits for another's work on the same gallery
SHARED, ALONE = portalocker.LOCK_SH, portalocker.LOCK_EX
_SOURCE_LINE = re.compile(r",?\s*\S+\.rs:\d+(:\d+)?")  # by which LanceDB's errors say where in its own code they arose


class BusyError(FaceSimError):
    """Others are writing to the gallery."""


def is_remote(address: str) -> bool:
    """Return whether an address is in an object store."""
    return "://" in address


def place(address: str) -> str:
    """Return an address as LanceDB takes it for the same."""
    return address if is_remote(address) else os.path.abspath(address)  # LanceDB would take ~ for a home


def connect(address: str):
    """Return LanceDB's connection, whose tables are always those of now."""
    return lancedb.connect(place(address), read_consistency_interval=timedelta(0))


def open_table(address: str, name: str):
    """Return a table at an address; None where there is none."""
    if not is_remote(address) and not (Path(address) / f"{name}.lance").is_dir():
        return None
    with sentences(address):
        try:
            return connect(address).open_table(name)
        except ValueError as error:
            if "not found" in str(error):
                return None
            raise


@contextlib.contextmanager
def locked(address: str, kind: int, patience: float | None = None) -> Iterator[None]:
    """Hold the gallery's lock, shared or alone; an object store has none.

    Raises FaceSimError where it cannot be written to, BusyError where others do not let go in time.
    """
    if is_remote(address):
        yield
        return
    path, patience = Path(address) / LOCK, PATIENCE if patience is None else patience
    try:
        lock = portalocker.Lock(path, "a", timeout=patience, flags=kind | portalocker.LOCK_NB)
        lock.acquire()
    except portalocker.LockException as error:
        raise BusyError(f"{printable(address)} is being written to: try again once that is done.") from error
    except OSError as error:
        raise FaceSimError(f"{printable(address)} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def sentences(address: str) -> Iterator[None]:
    """Turn what LanceDB raises into a FaceSimError that names the gallery."""
    try:
        yield
    except (FaceSimError, GeneratorExit):
        raise
    except Exception as error:  # LanceDB raises a class of its own for every kind of trouble
        reason = " ".join(_SOURCE_LINE.sub("", str(error)).split())
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise FaceSimError(f"{printable(address)} cannot be used ({reason[:200]}).") from error


def quoted(text: str) -> str:
    """Return a text as LanceDB's filters have it."""
    return "'" + text.replace("'", "''") + "'"
