"""Sort the photos of a gallery into a folder per person, by links or copies."""

import filecmp
import hashlib
import itertools
import os
import re
import shutil
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesim.errors import FaceSimError, FaceSimWarning
from facesim.files import check_folder, write_whole
from facesim.gallery.reading import GalleryReader
from facesim.gallery.rows import UPLOADED, check_not_uploaded
from facesim.gallery.store import Gallery
from facesim.gallery.tables import is_remote
from facesim.names import name_key
from facesim.text import printable

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')  # in the name of a file, on Windows or elsewhere
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)  # on Windows
_MAX_BYTES = 200  # of a folder's name; most file systems take 255


@dataclass(frozen=True, slots=True)
class Exported:
    """A photo of a person, and where it stands now; `is_new` if it did not before. `error` says why it is nowhere."""

    name: str
    photo: str
    path: Path | None = None
    is_new: bool = False
    error: FaceSimError | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        return {
            "name": self.name,
            "photo": self.photo,
            "path": self.path and str(self.path),
            "new": self.is_new,
            "error": self.error and str(self.error),
        }


def export_photos(gallery: Gallery | GalleryReader, folder: Path, copy: bool = False) -> Iterator[Exported]:
    """Put the photos of each person in a gallery in a folder of theirs below `folder`; yield each once it is there.

    These are symbolic links to the photos' absolute paths or, with `copy`, copies. A photo of three people stands in
    three folders, one without named faces in none. What is there already stays as it is, and is not made again; no
    file is overwritten, and no photo touched. Folders have the names of people as `folder_names` makes them safe.

    Raises FaceSimError where `folder` cannot be written, holds photos of the gallery, or is in the gallery itself.
    """
    photos = gallery.photos_of_people()
    if not photos:
        where = printable(gallery.address)
        raise FaceSimError(
            f"nobody in {where} has a name: facesim cluster {where} --to {where} makes people of groups."
        )
    folder = folder.absolute()
    files = [photo for theirs in photos.values() for photo in theirs if not photo.startswith(UPLOADED)]
    _check_apart(gallery, folder, set(map(os.path.dirname, files)))
    check_folder(folder)
    folder_of = folder_names(photos)
    for name in sorted(photos):
        own = folder / folder_of[name]
        _make_folder(folder, own)
        there, taken = {name_key(file_name): own / file_name for file_name in os.listdir(own)}, set[str]()
        for photo in sorted(photos[name]):
            try:
                yield Exported(name, photo, *_put(photo, own, there, taken, copy))
            except FaceSimError as error:
                yield Exported(name, photo, error=error)


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Return for each person's name one that a folder can have on every system, and no two that are easily mixed up.

    What cannot be in a file's name becomes "_", and dots and spaces at either end are left out. If that makes two names
    the same but for capitals, the changed one gets a digest of the name at its end.
    """
    rivals: defaultdict[str, list[str]] = defaultdict(list)
    safe = {name: _safe(name) for name in sorted(names)}
    for name in sorted(safe, key=lambda name: name != safe[name]):  # unchanged ones first
        rivals[name_key(safe[name])].append(name)
    for name in safe:
        others = rivals[name_key(safe[name])]
        if len(others) > 1 and not (name == safe[name] and name == others[0]):
            safe[name] += f"-{hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}"
    return safe


def _safe(name: str) -> str:
    safe = _UNSAFE.sub("_", name).strip(". ")
    if not safe or _RESERVED.match(safe):
        safe = f"_{safe}"
    return safe.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(". ")


def _check_apart(gallery: Gallery | GalleryReader, folder: Path, photo_folders: Iterable[str]) -> None:
    """Raise FaceSimError if `folder` holds photos, or is in the gallery; warn if it is in a folder with photos."""
    real = Path(os.path.realpath(folder))
    around = {real, *real.parents}
    if not is_remote(gallery.address) and Path(os.path.realpath(gallery.address)) in around:
        raise FaceSimError(f"{folder} is in the gallery {printable(gallery.address)}: name another folder.")
    for photo_folder in sorted(photo_folders):
        there = Path(os.path.realpath(photo_folder))
        if real in (there, *there.parents):
            raise FaceSimError(
                f"{folder} holds photos of the gallery, in {printable(photo_folder)}: name another folder."
            )
        if there in around:
            shown = printable(photo_folder)
            warnings.warn(
                f"{folder} is in {shown}, where the photos are: facesim embed {shown} would find them twice.",
                FaceSimWarning,
                stacklevel=3,
            )
            break


def _make_folder(folder: Path, own: Path) -> None:
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)  # readable by its owner alone
        if own.is_symlink():  # we would write where it leads
            raise FaceSimError(f"{own} is a link: move it away, or name another folder.")
        own.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise FaceSimError(f"{own} cannot be made: {error.strerror}.") from error


def _put(photo: str, own: Path, there: dict[str, Path], taken: set[str], copy: bool) -> tuple[Path, bool]:
    """Return where a photo stands in a person's folder, and whether it was put there now.

    `there` has what was in the folder before, by the key of its name; `taken` the keys of other photos' names.
    """
    check_not_uploaded(photo)
    if not os.path.isfile(photo):
        raise FaceSimError(f"{photo} is not there any more: bring it back, or facesim forget --photo.")
    try:
        for file_name in _file_names(os.path.basename(photo)):
            key = name_key(file_name)
            path, is_free = there.get(key, own / file_name), key not in there
            if key in taken or not (is_free or _shows(path, photo)):
                continue
            taken.add(key)
            is_new = is_free or (copy and path.is_symlink())
            if is_new and copy:
                _copy(photo, path)
            elif is_new:
                os.symlink(photo, path)
            return path, is_new
        raise AssertionError("there is always another name")
    except OSError as error:
        advice = "" if copy else ": --copy makes copies instead"
        raise FaceSimError(f"{photo} cannot be exported to {own} ({error.strerror}){advice}.") from error


def _file_names(file_name: str) -> Iterator[str]:
    """Yield a file's name, then others for when it is taken: "a.jpg", "a (2).jpg", "a (3).jpg", …"""
    yield file_name
    stem, suffix = os.path.splitext(file_name)
    stem = os.fsdecode(os.fsencode(stem)[:_MAX_BYTES])
    yield from (f"{stem} ({number}){suffix}" for number in itertools.count(2))


def _shows(path: Path, photo: str) -> bool:
    """Return whether what stands at `path` is a link to the photo, or a copy of it."""
    if path.is_symlink():
        return os.readlink(path) == photo
    return path.is_file() and filecmp.cmp(path, photo, shallow=False)


def _copy(photo: str, path: Path) -> None:
    with write_whole(path) as scratch:
        shutil.copyfile(photo, scratch)
        os.chmod(scratch, 0o600)
        seen = os.stat(photo)
        os.utime(scratch, ns=(seen.st_atime_ns, seen.st_mtime_ns))
