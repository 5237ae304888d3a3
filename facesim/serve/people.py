"""The API's answers from a gallery: who is on a photo, who is enrolled; and, where it may write, changes to it."""

import asyncio
import io
import json
from collections.abc import Callable
from itertools import islice
from typing import Any, TypeVar

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.errors import FaceSimError
from facesim.gallery.enrol import enrol_upload
from facesim.gallery.identify import Identifier
from facesim.gallery.reading import GalleryReader
from facesim.gallery.rename import rename as rename_person
from facesim.gallery.rows import check_name
from facesim.gallery.store import Gallery, open_gallery
from facesim.gallery.version import is_unchanged
from facesim.model import Model
from facesim.names import Spellings
from facesim.photo import open_photo
from facesim.serve.faces import embed_photo, verifier_for
from facesim.serve.forms import content_type, read_body, read_form
from facesim.serve.limits import MAX_FIELD
from facesim.serve.problems import RequestError, photo_problem
from facesim.verifier import Verifier

MAX_NEAREST = 1000  # faces that one search finds
_MAX_TRIED = 20  # photos of a person that are opened for a picture: the others may have gone, too
T = TypeVar("T")
Readable = Gallery | GalleryReader


class OpenGallery:
    """A gallery that many requests use, one at a time, while others embed their photos."""

    def __init__(self, gallery: Readable, can_write: bool = False):
        self.can_write = can_write
        self._gallery, self._lock = gallery, asyncio.Lock()

    async def read(self, request: Request, work: Callable[..., T], *args: Any) -> T:
        """Return work(gallery, *args), run in a worker's thread; raises RequestError (409) for a FaceSimError."""
        return await self._run(request, lambda: work(self._gallery, *args))

    async def change(self, request: Request, work: Callable[..., T], *args: Any) -> T:
        """Do the same with a gallery that can be written to, which is opened when the first change needs it."""
        return await self._run(request, lambda: work(self._writable(request.app.state.verifier.model), *args))

    def _writable(self, model: Model) -> Gallery:
        if not isinstance(self._gallery, Gallery):
            self._gallery = open_gallery(self._gallery.address, model)
        return self._gallery

    async def _run(self, request: Request, work: Callable[[], T]) -> T:
        async with self._lock:
            try:
                return await request.app.state.workers.run(work)
            except FaceSimError as error:
                raise RequestError(409, str(error)) from error


def _opened(request: Request, to_write: bool = False) -> OpenGallery:
    opened: OpenGallery = request.app.state.gallery
    if to_write and not opened.can_write:
        raise RequestError(403, "this server does not change its gallery: start it with --write.")
    return opened


async def identify(request: Request) -> Response:
    opened, state = _opened(request), request.app.state
    async with read_form(request, state.workers, ["photo"], ("faces", "fmr", "threshold")) as form:
        fmr, threshold = form.number("fmr"), form.number("threshold")
        verifier = Verifier(state.verifier.model)  # the one in use may have a threshold for two photos
        if threshold is not None:
            verifier = verifier_for(verifier, form)
        _, embedded = await state.workers.run(embed_photo, verifier, *form.photos[0], form.selection("all"))

        def named(gallery: Readable) -> list[dict[str, Any]]:
            identifier = Identifier(gallery, verifier, fmr)
            recorded = identifier.info.worst_at(identifier.threshold)
            return [face.as_dict() | recorded for face in identifier.identify_embedded(embedded)]

        return JSONResponse(await opened.read(request, named))


async def search(request: Request) -> Response:
    opened, state = _opened(request), request.app.state
    async with read_form(request, state.workers, ["photo"], ["k"]) as form:
        k = form.whole_number("k", 5, MAX_NEAREST)
        _, embedded = await state.workers.run(embed_photo, state.verifier, *form.photos[0], "largest")
        found = await opened.read(request, lambda gallery: gallery.nearest(embedded.embeddings[0], k))
    return JSONResponse([match.as_dict(state.verifier.threshold) for match in found])


async def list_people(request: Request) -> Response:
    names = await _opened(request).read(request, lambda gallery: gallery.names())
    return JSONResponse([{"name": name, "faces": count} for name, count in names.items()])


async def show_person(request: Request) -> Response:
    picture = await _opened(request).read(request, picture_of, request.path_params["name"])
    if picture is None:
        raise RequestError(404, "no photo of this person is at its place any more.")
    return Response(picture, media_type="image/jpeg")


def picture_of(gallery: Readable, name: str) -> bytes | None:
    """Return a person's face as a JPEG, from the first enrolled photo that is still as it was; None without any."""
    rows = gallery.rows(faces_only=True, names=[_enrolled(gallery, name)])
    for row in islice(rows, _MAX_TRIED):
        try:
            if is_unchanged(row.photo, row.version, row.content):
                crop, file = centre_crop(cut_wide_crop(open_photo(row.photo), row.face)), io.BytesIO()
                Image.fromarray(crop).save(file, "jpeg")
                return file.getvalue()
        except FaceSimError:
            continue
    return None


async def enrol(request: Request) -> Response:
    opened, state = _opened(request, to_write=True), request.app.state
    async with read_form(request, state.workers, ["photo"], ["name"], several=True) as form:
        name = _checked(form.fields.get("name", ""))
        done = [
            await opened.change(request, enrol_upload, state.verifier, data, name, f"photo{number}")
            for number, (_, data) in enumerate(form.photos, 1)
        ]
    if all(photo.error for photo in done) and done[0].error:
        raise photo_problem(done[0].error, done[0].photo)
    return JSONResponse([photo.as_dict() for photo in done])


async def rename(request: Request) -> Response:
    opened = _opened(request, to_write=True)
    name, (new_name, merge) = request.path_params["name"], await _renaming(request)

    def renamed(gallery: Gallery) -> dict[str, Any]:
        old, other = _enrolled(gallery, name), gallery.spelling_of(new_name)
        if other != old and other in gallery.names() and not merge:
            raise RequestError(409, f"{other} is enrolled already: send merge to make them one person.")
        faces = rename_person(gallery, old, new_name, merge)
        return {"name": gallery.spelling_of(new_name), "faces": faces}

    return JSONResponse(await opened.change(request, renamed))


async def _renaming(request: Request) -> tuple[str, bool]:
    """Return the new name that a request asks for, and whether to merge; raises RequestError where it is none."""
    if content_type(request) != "application/json":
        raise RequestError(415, 'a new name is sent as application/json: {"name": "Ana Li"}.')
    try:
        asked = json.loads(await read_body(request, MAX_FIELD))
        name, merge = asked["name"], asked.get("merge", False)
    except (ValueError, TypeError, KeyError, RecursionError):
        name = merge = None
    if not isinstance(name, str) or not isinstance(merge, bool):
        raise RequestError(400, 'the new name makes no sense: send {"name": "Ana Li"}, with "merge": true to merge.')
    return _checked(name), merge


async def forget_person(request: Request) -> Response:
    from facesim.gallery.forget import forget  # it takes pyarrow

    def forgotten(gallery: Gallery) -> dict[str, Any]:
        removed = forget(gallery, _enrolled(gallery, request.path_params["name"]))
        return {"faces": removed.face_count, "photos": removed.photo_count}

    return JSONResponse(await _opened(request, to_write=True).change(request, forgotten))


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except FaceSimError as error:
        raise RequestError(400, str(error)) from error


def _enrolled(gallery: Readable, name: str) -> str:
    """Return a person's name as the gallery spells it; raises RequestError (404) where nobody has it."""
    names = gallery.names()
    name = Spellings(names).first(_checked(name))
    if name not in names:
        raise RequestError(404, f"nobody here is called {name}: /v1/people says who is.")
    return name


ROUTES = [
    Route("/v1/identify", identify, methods=["POST"]),
    Route("/v1/search", search, methods=["POST"]),
    Route("/v1/people", list_people),
    Route("/v1/people", enrol, methods=["POST"]),
    Route("/v1/people/{name:path}/picture", show_person),
    Route("/v1/people/{name:path}", rename, methods=["PATCH"]),
    Route("/v1/people/{name:path}", forget_person, methods=["DELETE"]),
]
