"""The photos below a folder, and who is on them.

A photo shows the person after whom its folder is named, however deep that is; folders of one name are one person.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from facesim.errors import FaceSimError, FaceSimWarning
from facesim.names import Spellings
from facesim.photo import PHOTO_SUFFIXES
from facesim.text import pluralise, printable

EXCLUSION_LIST, PEOPLE_TABLE = "facesim-exclude.txt", "people.csv"  # facesim reads them in a data set's folder

# In lower case: what does not begin with a dot, and yet nobody put there.
HIDDEN_FOLDERS = {
    *("@eadir", "@synoeastream", "@synoresource", "@tmp", "#recycle", "#snapshot"),  # Synology: thumbnails, bins
    *("@__thumb", "@recycle", "@recently-snapshot"),  # QNAP
    *("__macosx", "network trash folder", "temporary items"),  # macOS, in archives and on shared disks
    *("$recycle.bin", "recycler", "recycled", "system volume information"),  # Windows
    "lost+found",
    *("thmbnl", "avchdtn", "canonmsc"),  # cameras' thumbnails and indexes
    "[originals]",  # ACDSee: originals of edited photos
}
HIDDEN_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r"}

_PHOTO, _FOLDER, _OURS = "photo", "folder", "ours"
_NO_PHOTO, _LOOSE, _UNREADABLE = "file that is no photo", "loose photo", "folder that cannot be read"
_HIDDEN_FILE, _HIDDEN_FOLDER = "hidden file", "hidden folder"
_SPECIAL, _LINK = "special file", "link to a folder"  # special: a pipe, say, which may never end
_MANY = {
    _NO_PHOTO: "files that are no photos",
    _UNREADABLE: "folders that cannot be read",
    _LINK: "links to folders",
}
_MAX_SHOWN = 2  # folders or names in a warning

Folder = str | os.PathLike[str]
Parts = tuple[str, ...]  # of a path relative to a folder


def photos_in(folder: Folder) -> Iterator[str]:
    """Yield the paths of the photos in a folder and its sub-folders, in order.

    A photo is a file with a photo's suffix, even if it cannot be read. Links to files are followed, links to folders
    are not. Hidden files and folders, thumbnails and the like are skipped; if there are photos, a FaceSimWarning counts
    at the end what was skipped.

    Raises FaceSimError if the folder itself cannot be read.
    """
    skipped: Counter[str] = Counter()
    found = False
    for parts in _walk(folder, skipped):
        found = True
        yield os.path.join(folder, *parts)
    if found:
        _warn_of_skipped(folder, skipped)


def photos_at(paths: Iterable[str]) -> Iterator[str]:
    """Yield the photos among `paths`, and those in the folders among them; each once, even if it is named twice.

    Raises FaceSimError if there is none, or if none of the paths exists.
    """
    named = {os.path.abspath(path): path for path in paths}
    check_some_exist([*named.values()])
    folders = {absolute for absolute, path in named.items() if os.path.isdir(path)}
    found = False
    for absolute, path in named.items():
        if any(str(parent) in folders for parent in Path(absolute).parents):
            continue
        for photo in photos_in(path) if absolute in folders else (path,):
            found = True
            yield photo
    if not found:
        raise FaceSimError(f"there is no photo in {', '.join(named.values())}: give .jpg or .png files.")


def check_some_exist(paths: Sequence[str]) -> None:
    """Raise FaceSimError where none of `paths` exists; for use before the work."""
    if paths and not any(map(os.path.exists, paths)):
        raise FaceSimError(f"{paths[0]} does not exist: check the path.")


def people_below(
    folder: Folder, name_of: Callable[[str], str] = str, depth: int | None = None, loose: bool = False, needed: int = 1
) -> list[tuple[Parts, str]]:
    """Return a folder's photos, in order, and who is on each: by `name_of` the folder that holds it.

    With `depth`, it is the `depth`-th folder below `folder` instead. Names that have the same `name_key` are spelled as
    the first of them. Photos that are not in such a folder are skipped or, with `loose`, of somebody unknown, "".

    Photos are found, and what is skipped is counted in a FaceSimWarning, as by `photos_in`. Another says if several
    folders are one person, or if a person's folder holds another's. There are no warnings if there are fewer people
    than `needed`: the caller refuses the folder.

    Raises FaceSimError as `photos_in` does.
    """
    skipped: Counter[str] = Counter()
    spellings = Spellings()
    names: dict[Parts, str] = {}  # by the folder that names the person
    people = []
    for parts in sorted(_walk(folder, skipped)):
        naming = parts[:-1] if depth is None else parts[:depth] if len(parts) > depth else ()
        if naming:
            if naming not in names:
                names[naming] = spellings.first(name_of(naming[-1]))
            people.append((parts, names[naming]))
        elif loose:
            people.append((parts, ""))
        else:
            skipped[_LOOSE] += 1
    if len({person for _, person in people}) >= needed:
        _warn_of_skipped(folder, skipped)
        _warn_of_shared_names(folder, names)
    return people


def _walk(folder: Folder, skipped: Counter[str]) -> Iterator[Parts]:
    """Yield the photos below a folder: its own in order, then those of each sub-folder."""
    waiting: list[Parts] = [()]
    while waiting:
        parts = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, *parts)) as entries:
                kinds = sorted((entry.name, _kind(entry)) for entry in entries)
        except OSError as error:
            if not parts:
                raise FaceSimError(f"{printable(os.fspath(folder))} cannot be read: {error.strerror}.") from error
            skipped[_UNREADABLE] += 1
            continue
        skipped.update(kind for _, kind in kinds if kind not in (_PHOTO, _FOLDER, _OURS))
        yield from ((*parts, name) for name, kind in kinds if kind == _PHOTO)
        waiting += [(*parts, name) for name, kind in reversed(kinds) if kind == _FOLDER]


def _kind(entry: os.DirEntry) -> str:
    name = entry.name.lower()
    try:
        folder, file = entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, say: opening it says what is wrong
        folder, file = False, True
    if folder:
        if name.startswith(".") or name in HIDDEN_FOLDERS or name.endswith(".photoslibrary"):
            return _HIDDEN_FOLDER
        return _LINK if entry.is_symlink() else _FOLDER
    if name.startswith((".", "synophoto_thumb_")) or name in HIDDEN_FILES:
        return _HIDDEN_FILE
    if os.path.splitext(name)[1] not in PHOTO_SUFFIXES:
        return _OURS if name in (EXCLUSION_LIST, PEOPLE_TABLE) else _NO_PHOTO
    missing = entry.is_symlink() and not os.path.exists(entry.path)  # a photo that cannot be read
    return _PHOTO if file or missing else _SPECIAL


def _warn_of_skipped(folder: Folder, skipped: Counter[str]) -> None:
    if skipped:
        counts = ", ".join(pluralise(count, kind, _MANY.get(kind, "")) for kind, count in skipped.most_common())
        warnings.warn(f"skipped in {printable(os.fspath(folder))}: {counts}.", FaceSimWarning, stacklevel=3)


def _warn_of_shared_names(folder: Folder, names: dict[Parts, str]) -> None:
    by_name: dict[str, list[str]] = {}
    for parts, name in names.items():
        by_name.setdefault(name, []).append("/".join(parts))
    shared = [f"{name} ({_some(folders)})" for name, folders in by_name.items() if len(folders) > 1]
    inner = ["/".join(parts) for parts in names if any(parts[:length] in names for length in range(1, len(parts)))]
    for message, found in (
        ("folders of one name are taken for one person", shared),
        ("folders in a person's folder are taken for other people", inner),
    ):
        if found:
            warnings.warn(f"in {printable(f'{folder}: {message}: {_some(found)}')}.", FaceSimWarning, stacklevel=3)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_SHOWN:,} more" if len(names) > _MAX_SHOWN else ""
    return ", ".join(names[:_MAX_SHOWN]) + more
