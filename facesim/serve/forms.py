"""Read a request's form: photos and fields, in memory alone, within limits that hold before anything is read."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator
from typing import NamedTuple

from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from facesim.detector.box import SELECTIONS
from facesim.serve.limits import BODY_SECONDS, MAX_BODY, MAX_FIELD, MAX_PHOTO
from facesim.serve.problems import RequestError
from facesim.serve.work import Workers

_MULTIPART = "multipart/form-data"
_MAX_PARTS = 20


class Form(NamedTuple):
    """What a client sent: each photo's bytes, and the fields, by their names; files' own names are not looked at."""

    photos: list[tuple[str, bytes]]
    fields: dict[str, str]

    def number(self, name: str) -> float | None:
        """Return a field as a number, None where it was not sent; raises RequestError where it is none."""
        try:
            return float(self.fields[name]) if name in self.fields else None
        except ValueError:
            raise RequestError(400, f"the field {name} is not a number: send one, say 0.5.") from None

    def whole_number(self, name: str, default: int, most: int) -> int:
        """Return a field as a whole number; raises RequestError where it is none from 1 to `most`."""
        value = self.fields.get(name, str(default))
        if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
            raise RequestError(400, f"the field {name} is no whole number from 1 to {most:,}: send one.")
        return int(value)

    def selection(self, default: str) -> str:
        """Return which faces count; raises RequestError where the field `faces` does not say so."""
        selection = self.fields.get("faces", default)
        if selection not in SELECTIONS:
            raise RequestError(400, f"the field faces is none of {', '.join(SELECTIONS)}: send one of them.")
        return selection

    def flag(self, name: str) -> bool:
        """Return whether a field is 1; raises RequestError where it is neither 0 nor 1."""
        value = self.fields.get(name, "0")
        if value not in ("0", "1"):
            raise RequestError(400, f"the field {name} is neither 0 nor 1: send one of them.")
        return value == "1"


class _InMemory(MultiPartParser):
    spool_max_size = MAX_BODY + 1  # beyond it, Starlette would write uploads to the disk


@contextlib.asynccontextmanager
async def read_form(
    request: Request, workers: Workers, photos: Collection[str], fields: Collection[str] = (), several: bool = False
) -> AsyncIterator[Form]:
    """Yield a request's form; it keeps its place among the `workers` until the block ends.

    Each of the `photos` must be there, once unless `several` may be, and nothing but them and the `fields`. Raises
    RequestError where the form is not so, is too large, or takes too long.
    """
    if content_type(request) != _MULTIPART:
        raise RequestError(415, f"photos are sent as {_MULTIPART}: curl does so with -F photo=@a.jpg.")
    with workers.place(_announced_size(request, MAX_BODY)):
        form = Form([], {})
        for name, value in await _parts(request):
            expected = photos if isinstance(value, bytes) else fields
            if name not in expected:
                what = "photo" if isinstance(value, bytes) else "field"
                raise RequestError(400, f"there is no {what} {name[:50]!r} here: send {', '.join(expected) or 'none'}.")
            if isinstance(value, str):
                form.fields[name] = value
                continue
            if len(value) > MAX_PHOTO:
                raise RequestError(413, f"{name} has more than {MAX_PHOTO // 10**6} MB: reduce it first.", name)
            if name in dict(form.photos) and not several:
                raise RequestError(400, f"there are several of {name}: send one.", name)
            form.photos.append((name, value))
        for name in photos:
            if name not in dict(form.photos):
                raise RequestError(400, f"there is no {name}: send it as a file under this name.", name)
        yield form


async def _parts(request: Request) -> list[tuple[str, bytes | str]]:
    """Return the parts of a form, by their names: the bytes of files, the text of fields."""
    parser = _InMemory(
        request.headers,
        _limited(request, MAX_BODY),
        max_files=_MAX_PARTS,
        max_fields=_MAX_PARTS,
        max_part_size=MAX_FIELD,
    )
    with _translated_errors():
        async with asyncio.timeout(BODY_SECONDS):
            parsed = await parser.parse()
    try:
        return [(name, value if isinstance(value, str) else await value.read()) for name, value in parsed.multi_items()]
    finally:
        await parsed.close()


def content_type(request: Request) -> str:
    """Return the content type of a request, without its parameters; empty where it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int) -> bytes:
    """Return a request's body of up to `limit` bytes; raises RequestError where it is longer, or takes too long."""
    _announced_size(request, limit)
    with _translated_errors():
        async with asyncio.timeout(BODY_SECONDS):
            return b"".join([chunk async for chunk in _limited(request, limit)])


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except MultiPartException as error:
        raise RequestError(400, f"the form is malformed ({error.message.rstrip('.')}): send {_MULTIPART}.") from error
    except TimeoutError as error:
        raise RequestError(408, f"the request did not arrive within {BODY_SECONDS:g} s: try again.") from error
    except ClientDisconnect as error:
        raise RequestError(400, "the request was cut short: send it again.") from error


def _announced_size(request: Request, limit: int) -> int:
    """Return how many bytes a request may have; raises RequestError where that is too many."""
    try:
        size = int(request.headers.get("content-length", limit))
    except ValueError:
        raise RequestError(400, "the content-length is not a number.") from None
    if size > limit:
        raise _too_large(limit)
    return size


def _too_large(limit: int) -> RequestError:
    return RequestError(413, f"the request has more than {limit:,} bytes: send less.")


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk
