"""The application: which address is answered by what."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

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
from facesim.serve.problems import RequestError, problem_response
from facesim.serve.work import Workers
from facesim.verifier import Verifier

PAGE = Path(__file__).parent / "page"
_templates = Jinja2Templates(PAGE)


def make_app(verifier: Verifier) -> ASGIApp:
    """Return the application that `serve` runs."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        app.state.workers.close()

    routes = [
        Route("/", _page),
        Mount("/static", _Static(directory=PAGE)),
        Route("/health", _health),
        Route("/v1/model", faces.show_model),
        Route("/v1/faces", faces.find_faces, methods=["POST"]),
        Route("/v1/verify", faces.verify, methods=["POST"]),
        Route("/v1/embed", faces.embed, methods=["POST"]),
    ]
    handlers = dict.fromkeys((RequestError, HTTPException, Exception), problem_response)
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.state.verifier, app.state.workers = verifier, Workers()
    return app


class _Static(StaticFiles):
    """The page's styles and scripts; its templates are not files to be had."""

    def lookup_path(self, path):
        return super().lookup_path(path) if path.endswith((".css", ".js", ".svg")) else ("", None)


async def _page(request: Request) -> Response:
    return _templates.TemplateResponse(
        request, "index.html", {"version": __version__, "gallery": False, "write": False, "token": False}
    )


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})
