"""Lists of pairs of photos, read from CSV row by row."""

import codecs
import contextlib
import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from facesim.errors import FaceSimError

PHOTOS = ("photo1", "photo2")
_SEPARATORS = ",;\t"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TYPOGRAPHIC = tuple("“”„‟«»")


class Row(NamedTuple):
    """A row of a pair list: its fields by column, its last line, and why it names no pair, or ""."""

    fields: dict[str, str]
    line: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PairList:
    """Pairs of photos from a CSV file: its columns, and its rows, which are read on demand."""

    name: str
    folder: str  # photos are relative to it
    columns: tuple[str, ...]
    rows: Iterator[Row]

    def photos(self, row: Row) -> tuple[str, str]:
        """Return the paths of a row's two photos."""
        first, second = (row.fields[column] for column in PHOTOS)
        return self._path(first), self._path(second)

    def _path(self, photo: str) -> str:
        return photo if "://" in photo else os.path.join(self.folder, photo)


@contextlib.contextmanager
def open_pair_list(path: str | os.PathLike[str]) -> Iterator[PairList]:
    """Open a CSV file of pairs, as `read_pair_list` reads it."""
    with open(path, "rb") as file, as_text(file) as text:
        yield read_pair_list(text, os.fspath(path), os.path.dirname(path))


def as_text(file: io.BufferedReader) -> TextIO:
    """Return the text of a list: UTF-8, or UTF-16 with its byte order mark."""
    if file.peek(2)[:2] in _UTF_16:
        return io.TextIOWrapper(file, "utf-16", newline="")
    return io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")  # the name of a file may not be text


def read_pair_list(file: TextIO, name: str, folder: str = "") -> PairList:
    """Read a CSV file whose first line names its columns, among them photo1 and photo2; rows are read on demand.

    Fields are separated by commas, semicolons or tabs, as in the first line; blank rows are skipped.

    Raises FaceSimError, with the line, if it is not such a file. A row that does not name two photos has a `problem`.
    """
    try:
        beginning = _up_to_text(file)
        separator = _separator(beginning[-1] if beginning else "")
        reader = csv.reader(itertools.chain(beginning, file), delimiter=separator)
        columns = tuple(next((fields for fields in reader if _has_text(fields)), ()))
    except (csv.Error, UnicodeError) as error:
        raise FaceSimError(f"{name} is not a CSV file ({error}).") from error
    if not set(PHOTOS) <= set(columns):
        raise FaceSimError(
            f"{name} must begin with a line that names its columns, photo1 and photo2 among them, between commas, "
            f"semicolons or tabs; {_beginning_text(columns)}."
        )
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise FaceSimError(f"{name} has two columns {twice or 'without a name'}: rename or delete one.")
    return PairList(name, folder, columns, _rows(reader, name, columns))


def _up_to_text(file: TextIO) -> list[str]:
    lines = []
    for line in file:
        lines.append(line)
        if line.strip(f"{_SEPARATORS} \r\n"):
            break
    return lines


def _separator(line: str) -> str:
    for separator in _SEPARATORS:
        if set(PHOTOS) <= set(next(csv.reader([line], delimiter=separator), ())):
            return separator
    return ","


def _has_text(fields: list[str]) -> bool:
    return any(field.strip() for field in fields)


def _beginning_text(columns: tuple[str, ...]) -> str:
    if not columns:
        return "it is empty"
    found = ", ".join(map(repr, columns))
    return f"it begins with {found if len(found) < 100 else f'{found[:100]} …'}{quotes_hint(columns)}"


def quotes_hint(fields: Iterable[str]) -> str:
    """Return a remark if a field is in typographic quotes, which CSV does not know, or ""."""
    return ' (only plain quotes, ", count as quotes)' if any(map(_is_in_quotes, fields)) else ""


def _is_in_quotes(field: str) -> bool:
    return field.strip().startswith(_TYPOGRAPHIC) or field.strip().endswith(_TYPOGRAPHIC)


def _rows(reader, name, columns):
    try:
        for fields in filter(_has_text, reader):
            padded = (*fields, *[""] * len(columns))
            row = Row(dict(zip(columns, padded, strict=False)), reader.line_num)
            unnamed = [column for column in PHOTOS if not row.fields[column].strip()]
            problem = ""
            if len(fields) != len(columns):
                problem = f"line {row.line} has {len(fields)} fields, where the first has {len(columns)}"
            elif unnamed:
                problem = f"line {row.line} names no {' and no '.join(unnamed)}"
            yield row._replace(problem=f"{problem}{quotes_hint(fields)}.") if problem else row
    except (csv.Error, UnicodeError) as error:
        raise FaceSimError(f"{name}, line {reader.line_num}, is not CSV ({error}).") from error
