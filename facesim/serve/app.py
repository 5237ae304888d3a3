"""The application: which address is answered by what."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from facesim import __version__
from facesim.serve import faces
from facesim.serve.guard import LOGIN, Guard
from facesim.serve.openapi import DOCUMENT, operations
from facesim.serve.problems import RequestError, problem_response
from facesim.serve.work import Workers
from facesim.verifier import Verifier

if TYPE_CHECKING:
    from facesim.gallery.reading import GalleryReader
    from facesim.gallery.store import Gallery

PAGE = Path(__file__).parent / "page"
_ANY = ["GET", "POST", "PATCH", "DELETE"]
TEMPLATES = Jinja2Templates(PAGE)


def make_app(
    verifier: Verifier,
    gallery: "Gallery | GalleryReader | None" = None,
    can_write: bool = False,
    token: str | None = None,
    log: Callable[[str], object] | None = None,
) -> ASGIApp:
    """Return the application: the page and the API over a verifier, and a gallery where there is one.

    It changes the gallery only if it `can_write`; a reader of one is opened sooner. With a `token`, every request needs
    it; without one, only names of this machine are answered to. `log` is called with a line for each answer.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        app.state.workers.close()

    routes = [
        Route("/", _page),
        Route(LOGIN, _login),
        Route("/docs", _docs),
        Route("/openapi.json", _document),
        Mount("/static", _Static(directory=PAGE)),
        Route("/health", _health),
        Route("/v1/model", faces.show_model),
        Route("/v1/faces", faces.find_faces, methods=["POST"]),
        Route("/v1/verify", faces.verify, methods=["POST"]),
        Route("/v1/embed", faces.embed, methods=["POST"]),
    ]
    if gallery is None:
        routes += [Route(path, _no_gallery, methods=_ANY) for path in ("/v1/identify", "/v1/search", "/v1/people")]
        routes += [Route("/v1/people/{name:path}", _no_gallery, methods=_ANY)]
    else:
        from facesim.serve import people  # it needs the extra gallery

        routes += people.ROUTES
    handlers = dict.fromkeys((RequestError, HTTPException, Exception), problem_response)
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.state.verifier, app.state.workers, app.state.gallery = verifier, Workers(), None
    app.state.fingerprint = verifier.model.fingerprint  # now: the file may be replaced while the server runs
    app.state.page = {"version": __version__, "gallery": gallery is not None, "write": can_write, "token": bool(token)}
    if gallery is not None:
        app.state.gallery = people.OpenGallery(gallery, can_write)
    return Guard(app, token, log)


class _Static(StaticFiles):
    """The page's styles and scripts; its templates are not files to be had."""

    def lookup_path(self, path):
        return super().lookup_path(path) if path.endswith((".css", ".js", ".svg")) else ("", None)


async def _page(request: Request) -> Response:
    return TEMPLATES.TemplateResponse(request, "index.html", request.app.state.page)


async def _login(request: Request) -> Response:
    return TEMPLATES.TemplateResponse(request, "login.html", {"wrong": "wrong" in request.query_params})


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _document(_: Request) -> Response:
    return JSONResponse(DOCUMENT)


async def _docs(request: Request) -> Response:
    return TEMPLATES.TemplateResponse(request, "docs.html", {"document": DOCUMENT, "operations": operations()})


async def _no_gallery(_: Request) -> Response:
    raise RequestError(404, "no gallery is open: start facesim serve with --gallery.")
