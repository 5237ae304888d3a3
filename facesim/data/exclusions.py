"""The exclusion list: photos of a data set that training skips, a line each, with the reason."""

from pathlib import Path

import numpy as np

from facesim.data.dataset import Dataset
from facesim.errors import FaceSimError
from facesim.files import write_whole
from facesim.folder import EXCLUSION_LIST as FILE_NAME  # in the data set's own folder
from facesim.names import name_key, normalised

_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # a file name may not be text


def write_exclusions(path: Path, reasons: dict[str, str]) -> None:
    """Write photos, relative to the data set's folder, and why each is skipped."""
    lines = ["# Photos that facesim train passes over, and why. Delete a line to train on its photo again."]
    lines += [f"{photo}\t{' '.join(reason.split())}" for photo, reason in sorted(reasons.items())]
    with write_whole(path) as scratch:
        scratch.write_text("\n".join(lines) + "\n", **_ENCODING)


def read_exclusions(path: Path) -> set[str]:
    """Return the photos listed in `path`; raises FaceSimError if it cannot be read."""
    try:
        text = path.read_text(**_ENCODING)
        if "\0" in text:
            raise ValueError("it is no text")
    except (OSError, ValueError) as error:
        raise FaceSimError(
            f"{path} is not an exclusion list: delete it, or make it again with facesim inspect --fix."
        ) from error
    fields = [line.split("\t") for line in text.splitlines() if line.strip()]
    return {photo for photo, *reason in fields if reason or not photo.startswith("#")}


def excluded(dataset: Dataset, path: Path | None = None) -> np.ndarray:
    """Return which photos an exclusion list names, `(n,) bool`: `path`, by default that in the data set's folder."""
    if path is None and not (dataset.root / FILE_NAME).is_file():
        return np.zeros(len(dataset.photos), bool)
    named = read_exclusions(path or dataset.root / FILE_NAME)
    others = {_key(photo) for photo in named - set(dataset.photos)}  # not there, or spelled otherwise
    return np.array([photo in named or _key(photo) in others for photo in dataset.photos], bool)


def _key(photo: str) -> str:
    """Return what all spellings of a photo's path share; file names that differ in case are different files."""
    *folders, name = photo.split("/")
    return "/".join([*map(name_key, folders), normalised(name)])
