"""Write files whole or not at all, and check before the work that they can be written."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from facesim.errors import FaceSimError, FaceSimWarning

if TYPE_CHECKING:
    from PIL import Image

UTF_8 = ("utf-8", "surrogateescape")  # encoding and error handler: the name of a file may not be text
PICTURE_SUFFIXES = ("", ".png", ".jpg", ".jpeg")


def utf8_text(file: BinaryIO) -> TextIO:
    """Return a binary file as text, its line ends as they are; closing either closes both."""
    return io.TextIOWrapper(file, *UTF_8, newline="")


@contextlib.contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a scratch path beside `path`, with its suffix, and rename it to `path` if the block succeeds.

    The new file is on the disk before it replaces the old one, so that even a power cut leaves one of them whole.

    Raises FaceSimError if it cannot be written.
    """
    scratch = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    try:
        _check_ordinary(path)
        yield scratch
        with open(scratch, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except OSError as error:  # whose file name is the scratch path
        raise FaceSimError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def write_folder(folder: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes `folder` if the block succeeds, and is removed if it fails.

    If `folder` exists already, the files are moved into it one after the other, each of them whole.

    Raises FaceSimError if it cannot be written.
    """
    import shutil  # which, as tempfile does, loads compression and more: `predict` writes nothing

    folder = folder.absolute()
    made = [parent for parent in folder.parents if not parent.exists()]  # nearest first
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
            with contextlib.suppress(OSError):  # not empty: the block succeeded
                parent.rmdir()


def same_file(one: str | Path, other: str | Path) -> bool:
    """Return whether two paths lead to the same file; False if one of them does not exist."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def check_picture_path(path: Path) -> None:
    """Raise FaceSimError if no picture can be written to `path`; for use before the work."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Raise FaceSimError if no file can be written to `path`; for use before the work."""
    if not path.parent.is_dir():
        raise FaceSimError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise FaceSimError(f"{path} cannot be written: it is a folder; name a file.")
    _check_ordinary(path)
    _check_takes_files(path, path.parent)


def _check_ordinary(path: Path) -> None:
    if path.exists() and not path.is_file():  # a device, say, which a file would replace
        raise FaceSimError(f"{path} cannot be written: it is no ordinary file; name another.")


def check_apart(outputs: Iterable[Path], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Raise FaceSimError if an output is one of the files that are read, by whatever name.

    A folder among the `inputs` stands for all photos in it. No input is looked at unless an output exists already.
    """
    existing = {file_id: path for path in outputs if (file_id := _file_id(path))}
    for given in inputs if existing else ():
        for read in _photos_below(given) if os.path.isdir(given) else (given,):
            file_id = _file_id(read)
            if file_id in existing:
                path, name = existing[file_id], os.fspath(read)
                raise FaceSimError(f"{path} cannot be written: it is the file {name}, which is read; name another.")


def _photos_below(folder: str | os.PathLike[str]) -> list[str]:
    from facesim.folder import photos_in  # it loads numpy and Pillow

    with warnings.catch_warnings(action="ignore", category=FaceSimWarning):  # they come when the folder is read
        return list(photos_in(folder))


def _file_id(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return an ordinary file's device and inode, the same for all its names; None if there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def check_folder(folder: Path) -> None:
    """Raise FaceSimError if no files can be written to `folder`, which need not exist; for use before the work."""
    nearest = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        raise FaceSimError(f"{folder} cannot be written: {nearest} is a file; name another folder.")
    _check_takes_files(folder, nearest)


def _check_takes_files(path: Path, folder: Path) -> None:
    import tempfile

    try:
        tempfile.TemporaryFile(dir=folder).close()  # permissions do not stop root, but a read-only mount does
    except OSError as error:
        raise FaceSimError(f"{path} cannot be written: the folder {folder} is read-only; name another.") from error


def save_picture(picture: "Image.Image", path: Path) -> None:
    """Write a picture in the format of `path`'s suffix; as PNG if it has none.

    Raises FaceSimError if it cannot be written.
    """
    try:
        with write_whole(path) as scratch:
            picture.save(scratch, format=None if scratch.suffix else "png")
    except (ValueError, KeyError) as error:  # Pillow cannot write this format
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.") from error
