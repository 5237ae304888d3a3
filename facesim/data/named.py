"""The data sets that have a name; others are folders."""

import os
from pathlib import Path

from facesim.errors import FaceSimError

NAMED = ("lfw", "pins")


def check_data_set(name: str | Path) -> None:
    """Raise FaceSimError where `name` is neither in NAMED nor a folder; for use before the work."""
    if name not in NAMED and not os.path.isdir(name):
        raise FaceSimError(f"{name} is not a folder: give one with a sub-folder of photos per identity, lfw or pins.")
