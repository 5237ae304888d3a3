"""What a folder means: which of its files are photos, who is on them, and what is passed over.

A person is the folder that holds the photo, however deep it lies; folders of one name are one person.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from facesim.errors import FaceSimError, FaceSimWarning
from facesim.names import Spellings
from facesim.photo import PHOTO_SUFFIXES
from facesim.text import pluralise, printable

EXCLUSION_LIST, PEOPLE_TABLE = "facesim-exclude.txt", "people.csv"  # what facesim itself reads in a data set's folder

# In lower case: what does not begin with a dot and yet was put there by no person.
HIDDEN_FOLDERS = {
    *("@eadir", "@synoeastream", "@synoresource", "@tmp", "#recycle", "#snapshot"),  # Synology: thumbnails, bins
    *("@__thumb", "@recycle", "@recently-snapshot"),  # QNAP
    *("__macosx", "network trash folder", "temporary items"),  # macOS, in archives and on shared disks
    *("$recycle.bin", "recycler", "recycled", "system volume information"),  # Windows
    "lost+found",
    *("thmbnl", "avchdtn", "canonmsc"),  # cameras' thumbnails and indexes
    "[originals]",  # what ACDSee keeps of photos that were edited
}
HIDDEN_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r"}

_PHOTO, _FOLDER, _OURS = "photo", "folder", "ours"
_NO_PHOTO, _LOOSE, _UNREADABLE = "file that is no photo", "loose photo", "folder that cannot be read"
_HIDDEN_FILE, _HIDDEN_FOLDER = "hidden file", "hidden folder"
_SPECIAL, _LINK = "special file", "link to a folder"  # special: a pipe, say, of which reading may never end
_MANY = {
    _NO_PHOTO: "files that are no photos",
    _UNREADABLE: "folders that cannot be read",
    _LINK: "links to folders",
}
_SHOWN = 2  # of several folders or names

Place = tuple[str, ...]  # a path below a folder, in parts


def photos_in(folder: str | Path) -> Iterator[str]:
    """Yield the paths of the photos in a folder and its sub-folders, in order.

    A file counts as a photo by its suffix, though it may turn out not to be readable. Links to files are followed,
    links to folders are not. Hidden files and folders, thumbnails and the like are passed over; where there are photos,
    a FaceSimWarning counts at the end what was.

    Raises FaceSimError where the folder itself cannot be read.
    """
    passed_over: Counter[str] = Counter()
    found = False
    for place in _walk(folder, passed_over):
        found = True
        yield os.path.join(folder, *place)
    if found:
        _warn_of_passed_over(folder, passed_over)


def photos_at(paths: Iterable[str]) -> Iterator[str]:
    """Yield photos that are named one by one, and those in folders that are named; each once, even if named twice.

    Raises FaceSimError where there is none.
    """
    named = {os.path.abspath(path): path for path in paths}
    folders = {place for place, path in named.items() if os.path.isdir(path)}
    found = False
    for place, path in named.items():
        if any(str(parent) in folders for parent in Path(place).parents):
            continue
        for photo in photos_in(path) if place in folders else (path,):
            found = True
            yield photo
    if not found:
        raise FaceSimError(f"there is no photo in {', '.join(named.values())}: give .jpg or .png files.")


def people_below(
    folder: str | Path,
    name_of: Callable[[str], str] = str,
    depth: int | None = None,
    loose: bool = False,
    needed: int = 1,
) -> list[tuple[Place, str]]:
    """Return a folder's photos, in order, and who is on each, by `name_of` the folder that holds it.

    Or, with `depth`, of the `depth`-th folder below `folder` on the way to it. Names that `name_key` makes one are
    spelled as the first of them. Photos in no such folder are `loose`: passed over, or of somebody unknown, "".

    Photos and FaceSimWarnings are as by `photos_in`; another says where several folders are one person, or a person's
    folder holds another's. With fewer people than `needed` there is none: the caller refuses the folder.

    Raises FaceSimError as `photos_in` does.
    """
    passed_over: Counter[str] = Counter()
    spellings, homes = Spellings(), {}
    people = []
    for place in sorted(_walk(folder, passed_over)):
        home = place[:-1] if depth is None else place[:depth] if len(place) > depth else ()
        if home:
            if home not in homes:
                homes[home] = spellings.first(name_of(home[-1]))
            people.append((place, homes[home]))
        elif loose:
            people.append((place, ""))
        else:
            passed_over[_LOOSE] += 1
    if len({person for _, person in people}) >= needed:
        _warn_of_passed_over(folder, passed_over)
        _warn_of_homes(folder, homes)
    return people


def _walk(folder: str | Path, passed_over: Counter[str]) -> Iterator[Place]:
    """Yield where photos lie below a folder: its own in order, then those of each sub-folder."""
    waiting: list[Place] = [()]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, *place)) as entries:
                kinds = sorted((entry.name, _kind(entry)) for entry in entries)
        except OSError as error:
            if not place:
                raise FaceSimError(f"{printable(str(folder))} cannot be read: {error.strerror}.") from error
            passed_over[_UNREADABLE] += 1
            continue
        passed_over.update(kind for _, kind in kinds if kind not in (_PHOTO, _FOLDER, _OURS))
        yield from ((*place, name) for name, kind in kinds if kind == _PHOTO)
        waiting += [(*place, name) for name, kind in reversed(kinds) if kind == _FOLDER]


def _kind(entry: os.DirEntry) -> str:
    name = entry.name.lower()
    try:
        folder, file = entry.is_dir(), entry.is_file()
    except OSError:  # a link to itself, say: what is wrong with it is said when it is opened
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


def _warn_of_passed_over(folder: str | Path, passed_over: Counter[str]) -> None:
    if passed_over:
        kinds = sorted(passed_over.items(), key=lambda kind: -kind[1])
        told = ", ".join(pluralise(count, kind, _MANY.get(kind, "")) for kind, count in kinds)
        warnings.warn(f"passed over in {printable(str(folder))}: {told}.", FaceSimWarning, stacklevel=3)


def _warn_of_homes(folder: str | Path, homes: dict[Place, str]) -> None:
    by_name: dict[str, list[str]] = {}
    for home, name in homes.items():
        by_name.setdefault(name, []).append("/".join(home))
    shared = [f"{name} ({_some(places)})" for name, places in by_name.items() if len(places) > 1]
    inner = ["/".join(home) for home in homes if any(home[:length] in homes for length in range(1, len(home)))]
    for said, found in (
        ("folders of one name are taken for one person", shared),
        ("folders in a person's folder are taken for other people", inner),
    ):
        if found:
            warnings.warn(f"in {printable(f'{folder}: {said}: {_some(found)}')}.", FaceSimWarning, stacklevel=3)


def _some(things: list[str]) -> str:
    more = f" and {len(things) - _SHOWN:,} more" if len(things) > _SHOWN else ""
    return ", ".join(things[:_SHOWN]) + more
