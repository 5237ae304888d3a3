"""Write files so that a reader finds the old one or the new one, never a half."""

import contextlib
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from facesim.errors import FaceSimError, FaceSimWarning

if TYPE_CHECKING:
    from PIL import Image

ENCODING = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}  # of CSV: a file's name may be no text
PICTURE_SUFFIXES = ("", ".png", ".jpg", ".jpeg")


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Give a scratch path beside `path`, with its suffix, and rename it to `path` once the block has succeeded.

    What was written is on the disk before it takes the old one's place, so that not even a power cut leaves a half.

    Raises FaceSimError where it cannot be written.
    """
    scratch = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        _check_ordinary(path)
        yield scratch
        with open(scratch, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:  # it names the scratch file
        raise FaceSimError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Give a scratch folder, and once the block has succeeded let it be `folder`; nothing is left of one that fails.

    Where `folder` is there already, the files take their places in it one by one, in a moment, each of them whole.

    Raises FaceSimError where it cannot be written.
    """
    folder = folder.absolute()
    made = [parent for parent in folder.parents if not parent.exists()]  # the nearest first
    scratch = (folder if folder.is_dir() else folder.parent) / f".{folder.name}-{os.getpid()}"
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if folder.is_dir():
            for file in sorted(scratch.iterdir(), key=os.path.getmtime):
                os.replace(file, folder / file.name)
        else:
            os.rename(scratch, folder)
    except OSError as error:
        raise FaceSimError(f"{folder} cannot be written: {error.strerror or error}.") from error
    except FaceSimError as error:
        raise FaceSimError(str(error).replace(str(scratch), str(folder))) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):  # it is not empty: we have succeeded
                parent.rmdir()


def same_file(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to one file; not where either leads nowhere."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def check_picture_path(path: Path) -> None:
    """Raise FaceSimError where no picture could be written to `path`, before the work that it is to show."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise FaceSimError where no file could be written to `path`, before the work that it is to hold."""
    if not path.parent.is_dir():
        raise FaceSimError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise FaceSimError(f"{path} cannot be written: it is a folder; name a file.")
    _check_ordinary(path)
    if not _takes_files(path.parent):
        raise FaceSimError(f"{path} cannot be written: the folder {path.parent} is read-only; name another.")


def _check_ordinary(path: Path) -> None:
    if path.exists() and not path.is_file():  # a device, say, which would be replaced
        raise FaceSimError(f"{path} cannot be written: it is no ordinary file; name another.")


def check_apart(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise FaceSimError where an output is one of the files that are read, by whatever name, before either is opened.

    Of a folder among the `inputs` all photos are read. The inputs are looked at only where an output is there already.
    """
    there = {found: path for path in outputs if (found := _identity(path))}
    for given in inputs if there else ():
        for read in _photos_below(given) if os.path.isdir(given) else (given,):
            path = there.get(_identity(read))
            if path:
                name = os.fspath(read)
                raise FaceSimError(f"{path} cannot be written: it is the file {name}, which is read; name another.")


def _photos_below(folder: str | os.PathLike[str]) -> list[str]:
    from facesim.folder import photos_in  # it loads numpy and Pillow

    with warnings.catch_warnings(action="ignore", category=FaceSimWarning):  # who reads the folder says what it holds
        return list(photos_in(folder))


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return what tells an ordinary file from all others, whatever its name; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def check_folder(folder: Path) -> None:
    """Raise FaceSimError where no folder could be written to `folder`, before the work that it is to hold."""
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise FaceSimError(f"{folder} cannot be written: {nearest} is a file; name another folder.")
    if not _takes_files(nearest):
        raise FaceSimError(f"{folder} cannot be written: the folder {nearest} is read-only; name another.")


def _takes_files(folder: Path) -> bool:
    try:
        tempfile.TemporaryFile(dir=folder).close()  # root may write everywhere, but not on what is mounted read-only
    except OSError:
        return False
    return True


def save_picture(picture: "Image.Image", path: Path) -> None:
    """Write a picture in the format that the suffix of `path` names, PNG without one.

    Raises FaceSimError where it cannot be written.
    """
    try:
        with write_whole(path) as scratch:
            picture.save(scratch, format=None if scratch.suffix else "png")
    except (ValueError, KeyError) as error:  # Pillow knows no such suffix, or knows it for reading only
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.") from error
