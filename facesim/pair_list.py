"""Lists of pairs: read as CSV, judged and written, as CSV or as JSON lines, row by row."""

import codecs
import contextlib
import csv
import io
import itertools
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, TextIO

from facesim.detector.selection import box_text
from facesim.errors import FaceSimError
from facesim.verifier import Verdict, Verifier

PHOTOS = ("photo1", "photo2")
ADDED = ("verdict", "distance", "threshold", "probability", "box1", "box2", "warning", "error", "faces", "fingerprint")
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
    """Pairs of photos as a CSV file names them: its columns, and its rows as they come."""

    name: str
    folder: str  # photos lie relative to it
    columns: tuple[str, ...]
    rows: Iterator[Row]

    def photos(self, row: Row) -> tuple[str, str]:
        """Return the paths of a row's two photos."""
        first, second = (row.fields[column] for column in PHOTOS)
        return _place(self.folder, first), _place(self.folder, second)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows were written: same, different, and without a verdict."""

    same: int = 0
    different: int = 0
    failed: int = 0

    @property
    def rows(self) -> int:
        return self.same + self.different + self.failed

    def counting(self, verdict: str) -> "Tally":
        """Return the tally with one more row: "same", "different", or "" without a verdict."""
        return Tally(
            self.same + (verdict == "same"), self.different + (verdict == "different"), self.failed + (verdict == "")
        )


@contextlib.contextmanager
def open_pair_list(path: str | os.PathLike[str]) -> Iterator[PairList]:
    """Open a CSV file of pairs, as `read_pair_list` reads it."""
    with open(path, "rb") as file, as_text(file) as text:
        yield read_pair_list(text, os.fspath(path), os.path.dirname(path))


def as_text(file: BinaryIO) -> TextIO:
    """Return the text of a list, as it comes: UTF-8, or UTF-16 with its byte order mark."""
    if file.peek(2)[:2] in _UTF_16:
        return io.TextIOWrapper(file, "utf-16", newline="")
    return io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")  # a file's name may be no text


def read_pair_list(file: TextIO, name: str, folder: str = "") -> PairList:
    """Read a CSV file whose first line names the columns, photo1 and photo2 among them; its rows are read later.

    Fields stand between commas, semicolons or tabs, as the first line has them; blank rows are passed over.

    Raises FaceSimError, with the line, where it makes no sense; a row that names no two photos has a `problem`.
    """
    try:
        begin = _up_to_text(file)
        reader = csv.reader(itertools.chain(begin, file), delimiter=_separator(begin[-1] if begin else ""))
        columns = tuple(next(filter(_is_filled, reader), ()))
    except (csv.Error, UnicodeError) as error:
        raise FaceSimError(f"{name} is not a CSV file ({error}).") from error
    if not set(PHOTOS) <= set(columns):
        raise FaceSimError(
            f"{name} must begin with a line that names its columns, photo1 and photo2 among them, between commas, "
            f"semicolons or tabs; {_said_of(columns)}."
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


def _is_filled(fields: list[str]) -> bool:
    return any(field.strip() for field in fields)


def _said_of(columns: tuple[str, ...]) -> str:
    if not columns:
        return "it is empty"
    found = ", ".join(map(repr, columns))
    return f"it begins with {found if len(found) < 100 else f'{found[:100]} …'}{_quotes_of(columns)}"


def _quotes_of(fields: Iterable[str]) -> str:
    """Return a remark on typographic quotes around fields, of which CSV knows nothing, or ""."""
    return ' (only plain quotes, ", count as quotes)' if any(map(_stands_in_quotes, fields)) else ""


def _stands_in_quotes(field: str) -> bool:
    return field.strip().startswith(_TYPOGRAPHIC) or field.strip().endswith(_TYPOGRAPHIC)


def _rows(reader, name: str, columns: tuple[str, ...]) -> Iterator[Row]:
    try:
        for fields in filter(_is_filled, reader):
            padded = (*fields, *[""] * len(columns))
            row = Row(dict(zip(columns, padded, strict=False)), reader.line_num)
            unnamed = [column for column in PHOTOS if not row.fields[column].strip()]
            problem = ""
            if len(fields) != len(columns):
                problem = f"line {row.line} has {len(fields)} fields, where the first has {len(columns)}"
            elif unnamed:
                problem = f"line {row.line} names no {' and no '.join(unnamed)}"
            yield row._replace(problem=f"{problem}{_quotes_of(fields)}.") if problem else row
    except (csv.Error, UnicodeError) as error:
        raise FaceSimError(f"{name}, line {reader.line_num}, is not CSV ({error}).") from error


def judge_rows(verifier: Verifier, pairs: PairList, selection: str) -> Iterator[tuple[Row, Verdict | FaceSimError]]:
    """Yield each row with its verdict, or with what kept it from one, in order."""
    waiting: deque[Row] = deque()

    def photos() -> Iterator[tuple[str, str]]:
        for row in pairs.rows:
            places = pairs.photos(row)
            if not row.problem:
                row = row._replace(problem=_quoted(row, places))
            waiting.append(row)
            if not row.problem:
                yield places

    for verdict in verifier.verify_many(photos(), selection):
        yield from _problems(waiting)
        yield waiting.popleft(), verdict
    yield from _problems(waiting)


def _quoted(row: Row, places: tuple[str, str]) -> str:
    for column, place in zip(PHOTOS, places, strict=True):
        if _stands_in_quotes(row.fields[column]) and not os.path.exists(place):
            return f"line {row.line}: {row.fields[column]} does not exist{_quotes_of([row.fields[column]])}."
    return ""


def _problems(waiting: deque[Row]) -> Iterator[tuple[Row, FaceSimError]]:
    while waiting and waiting[0].problem:
        yield waiting[0], FaceSimError(waiting.popleft().problem)


def _place(folder: str, photo: str) -> str:
    return photo if "://" in photo else os.path.join(folder, photo)


def own_name(name: str, columns: tuple[str, ...]) -> str:
    """Return what facesim calls its own field beside a list's `columns`, which keep their names: facesim_NAME."""
    while name in columns:
        name = f"facesim_{name}"
    return name


def csv_line(fields: Iterable[str]) -> str:
    """Return a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue()


def first_line(columns: tuple[str, ...]) -> str:
    """Return the line that begins the verdicts on a list with these columns, as CSV."""
    return csv_line((*columns, *(own_name(name, columns) for name in ADDED)))


def write_verdicts(
    rows: Iterable[tuple[Row, Verdict | FaceSimError]],
    columns: tuple[str, ...],
    made_by: dict[str, str],
    output: TextIO,
    as_json: bool,
    tally: Tally,
) -> Iterator[Tally]:
    """Write each row of a list with these columns to `output` as it comes, and yield the tally so far after each.

    `made_by` are the fields faces and fingerprint.
    """
    for row, verdict in rows:
        ours = (_json_fields if as_json else _csv_fields)(verdict) | made_by
        if as_json:
            named = {own_name(name, columns): value for name, value in ours.items()}
            output.write(json.dumps(row.fields | named) + "\n")
        else:
            output.write(csv_line((*row.fields.values(), *(ours.get(name, "") for name in ADDED))))
        output.flush()
        tally = tally.counting(ours.get("verdict", ""))
        yield tally


def _json_fields(verdict: Verdict | FaceSimError) -> dict[str, Any]:
    if isinstance(verdict, FaceSimError):
        return {"error": str(verdict)}
    return {"verdict": _word(verdict)} | verdict.as_dict()


def _csv_fields(verdict: Verdict | FaceSimError) -> dict[str, str]:
    if isinstance(verdict, FaceSimError):
        return {"error": " ".join(str(verdict).split())}
    faces = {"box1": verdict.face1, "box2": verdict.face2}
    warnings = (f"{face.photo}: {warning}" for face in faces.values() for warning in face.warnings)
    numbers = {name: f"{getattr(verdict, name):.6f}" for name in ("distance", "threshold", "probability")}
    boxes = {name: box_text(face.box) for name, face in faces.items()}
    return {"verdict": _word(verdict), "warning": "; ".join(warnings)} | numbers | boxes


def _word(verdict: Verdict) -> str:
    return "same" if verdict.same else "different"
