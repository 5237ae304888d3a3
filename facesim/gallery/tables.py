"""A gallery's tables, in a folder or an object store: opening and locking them; LanceDB's errors."""

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from facesim.errors import FaceSimError
from facesim.text import printable

if TYPE_CHECKING:
    from lancedb.db import LanceDBConnection
    from lancedb.table import LanceTable

LOCK = ".facesim-lock"
PATIENCE = 30  # seconds that a process waits for another one's work on the same gallery
SHARED, EXCLUSIVE = "LOCK_SH", "LOCK_EX"  # as portalocker calls them
_SOURCE_LINE = re.compile(r",?\s*\S+\.rs:\d+(:\d+)?")  # where in LanceDB's own code an error arose


def is_remote(address: str) -> bool:
    """Return whether an address is in an object store."""
    return "://" in address


def uri(address: str) -> str:
    """Return an address in a form that LanceDB does not change."""
    return address if is_remote(address) else os.path.abspath(address)  # LanceDB would expand ~


def connect(address: str) -> "LanceDBConnection":
    """Return a connection to LanceDB whose tables always show their latest version."""
    import lancedb  # it takes over a second: what can be refused is refused before

    connection = lancedb.connect(uri(address), read_consistency_interval=timedelta(0))
    return cast("LanceDBConnection", connection)  # of another class only at the address of LanceDB's own cloud


def open_table(address: str, name: str) -> "LanceTable | None":
    """Return a table at an address; None where there is none."""
    if not is_remote(address) and not (Path(address) / f"{name}.lance").is_dir():
        return None
    with translate_errors(address):
        try:
            return connect(address).open_table(name)
        except ValueError as error:
            if "not found" in str(error):
                return None
            raise


@contextlib.contextmanager
def locked(address: str, kind: str, patience: float | None = None) -> Iterator[None]:
    """Hold the gallery's lock, `SHARED` or `EXCLUSIVE`; an object store has none.

    Raises FaceSimError where it cannot be written to, or where others hold the lock for too long.
    """
    if is_remote(address):
        yield
        return
    import portalocker

    path, patience = Path(address) / LOCK, PATIENCE if patience is None else patience
    try:
        lock = portalocker.Lock(path, "a", timeout=patience, flags=getattr(portalocker, kind) | portalocker.LOCK_NB)
        lock.acquire()
    except portalocker.LockException as error:
        raise FaceSimError(f"{printable(address)} is being written to: try again once that is done.") from error
    except OSError as error:
        raise FaceSimError(f"{printable(address)} cannot be written: {error.strerror}.") from error
    with lock:
        yield


@contextlib.contextmanager
def translate_errors(address: str) -> Iterator[None]:
    """Turn what LanceDB raises into a FaceSimError that names the gallery."""
    try:
        yield
    except (FaceSimError, GeneratorExit):
        raise
    except Exception as error:  # LanceDB's many errors have no base class of their own
        reason = " ".join(_SOURCE_LINE.sub("", str(error)).split())
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise FaceSimError(f"{printable(address)} cannot be used ({reason[:200]}).") from error


def quoted(text: str) -> str:
    """Return a text as a literal for LanceDB's filters."""
    return "'" + text.replace("'", "''") + "'"
