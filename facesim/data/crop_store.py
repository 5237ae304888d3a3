"""The crop store: a file for each photo that has been cut, named for the photo's content, whatever data set it is in.

A file begins with how many faces the photo shows, its width and height, and the detector that found the face; the
largest face's wide crop follows, if there is one.
"""

import contextlib
import os
import re
import shutil
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch

from facesim.detector.crop import WIDE_CROP_SIZE
from facesim.errors import FaceSimError

CROP_VERSION = 9  # raised whenever photos are cut otherwise, or more is stored
CROP_SHAPE = (WIDE_CROP_SIZE, WIDE_CROP_SIZE, 3)
MAX_BYTES = 18 * 10**9  # of all crops together, unless a single run needs more; embeddings take 2 GB beside them
A_DAY = 86_400  # seconds

_FACTS = struct.Struct("<III8s")
_FILE_BYTES = _FACTS.size + int(np.prod(CROP_SHAPE))
# Folders of earlier versions: one for each data set, or one for each version.
_FORMER = re.compile(r".+-[0-9a-f]{16}-\d+|\.partial-.+|\d+")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on a photo."""

    face_count: int
    size: tuple[int, int]  # width and height in pixels; 0 where it cannot be opened
    detector: str  # "hog" or "cnn"; "" where there is no face


def cache_home() -> Path:
    """Return the folder of all crops."""
    return Path(pooch.os_cache("facesim")) / "crops"


class CropStore:
    """The crops below `home`; a photo is known by the SHA-256 of its file.

    Several processes may use it at once. A file takes its place whole, and any of them may be deleted at any time.
    """

    def __init__(self, home: Path):
        self._home = home
        self._folder = home / str(CROP_VERSION)

    def find(self, digest: bytes) -> Facts | None:
        """Return what is known of a photo, and note that it was used; None if it has not been cut."""
        path = self._path(digest)
        try:
            with open(path, "rb", buffering=0) as file:
                face_count, width, height, detector = _FACTS.unpack(file.read(_FACTS.size))
                length = os.fstat(file.fileno()).st_size
        except (OSError, struct.error):
            return None
        if length != (_FILE_BYTES if face_count else _FACTS.size):
            return None  # damaged
        with contextlib.suppress(OSError):
            os.utime(path)
        return Facts(face_count, (width, height), detector.rstrip(b"\0").decode("ascii", "replace"))

    def read(self, digest: bytes, crop: np.ndarray) -> bool:
        """Read a photo's wide crop into `crop`, `(252, 252, 3) uint8`; return whether it was there."""
        try:
            with open(self._path(digest), "rb", buffering=0) as file:
                file.seek(_FACTS.size)
                return file.readinto(crop.reshape(-1).data) == crop.nbytes
        except OSError:
            return False

    def add(self, digest: bytes, facts: Facts, crop: np.ndarray | None) -> None:
        """Keep what was found on a photo, and the wide crop of its largest face.

        Raises FaceSimError if it cannot be written.
        """
        path = self._path(digest)
        folder = os.path.dirname(path)
        scratch = None
        try:
            os.makedirs(folder, exist_ok=True)
            handle, scratch = tempfile.mkstemp(prefix=".", dir=folder)  # readable by its owner alone
            with open(handle, "wb") as file:
                file.write(_FACTS.pack(facts.face_count, *facts.size, facts.detector.encode()))
                if crop is not None:
                    file.write(crop.tobytes())
            os.replace(scratch, path)
        except FileNotFoundError:
            pass  # all crops are being cleared: this one is cut again when it is read
        except OSError as error:
            raise FaceSimError(f"{self._home} cannot be written: {error.strerror or error}.") from error
        finally:
            if scratch:
                with contextlib.suppress(OSError):
                    os.unlink(scratch)

    def make_room(self, count: int, used: set[bytes], limit: int = MAX_BYTES) -> None:
        """Delete the least recently used crops, but none of those `used`, until `count` more fit into limit and disk.

        Raises FaceSimError if they do not fit on the disk even so.
        """
        try:
            self._home.mkdir(0o700, parents=True, exist_ok=True)
            self._folder.mkdir(0o700, exist_ok=True)
        except OSError as error:
            raise FaceSimError(f"{self._home} cannot be written: {error.strerror or error}.") from error
        self._remove_former()
        needed, free = count * _FILE_BYTES, shutil.disk_usage(self._home).free
        stored = sorted(self._files(), key=lambda file: file[1].st_mtime)
        total = sum(found.st_size for _, found in stored)
        room, names = min(limit, total + free), {digest.hex() for digest in used}
        for path, found in stored:
            name = os.path.basename(path)
            killed = name.startswith(".") and time.time() - found.st_mtime > A_DAY  # left by a run that was killed
            if killed or (total + needed > room and name not in names and not name.startswith(".")):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                    total -= found.st_size
        free = shutil.disk_usage(self._home).free
        if needed > free:
            raise FaceSimError(f"{self._home} has {free / 1e9:.1f} GB free: the crops need {needed / 1e9:.1f} GB.")

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._folder}/{name[:2]}/{name}"

    def _files(self) -> list[tuple[str, os.stat_result]]:
        files = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with contextlib.suppress(OSError):  # another run has just deleted it
                    files.append((path := os.path.join(folder, name), os.stat(path)))
        return files

    def _remove_former(self) -> None:
        """Remove what earlier versions have cut: it is not read any more."""
        for path in self._home.iterdir():
            if _FORMER.fullmatch(path.name) and not (path.name.isdigit() and int(path.name) >= CROP_VERSION):
                shutil.rmtree(path, ignore_errors=True)
