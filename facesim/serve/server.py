"""Listen, and run the application until a signal ends it."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from facesim.errors import FaceSimError
from facesim.serve.app import make_app
from facesim.serve.limits import HEADER_SECONDS, REQUEST_SECONDS
from facesim.serve.token import check_token
from facesim.verifier import Verifier

if TYPE_CHECKING:
    from facesim.gallery.reading import GalleryReader
    from facesim.gallery.store import Gallery


def serve(
    verifier: Verifier,
    host: str = "127.0.0.1",
    port: int = 8765,
    gallery: "Gallery | GalleryReader | None" = None,
    can_write: bool = False,
    token: str | None = None,
    log: Callable[[str], object] | None = None,
    on_start: Callable[[str], object] = print,
) -> None:
    """Serve the page and the API until a signal comes; `on_start` is called with the address for a browser.

    The other arguments are as in `make_app`. Raises FaceSimError where other machines could reach the server without a
    token, where the token is too short, or where nothing can listen there.
    """
    check_token(host, token)
    app = make_app(verifier, gallery, can_write, token, log)
    with contextlib.closing(listen(host, port)) as bound:
        on_start(address_of(bound))
        make_server(app).run([bound])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a host's port, or at any free one for 0; raises FaceSimError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(2048)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise FaceSimError(f"nothing can listen at {host}:{port} ({error.strerror}): choose another --port.") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address at which a browser finds a socket's page."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def make_server(app: ASGIApp) -> "Server":
    """Return the server of an application; it says nothing, as what it would say could name people."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=round(HEADER_SECONDS),
    )
    return Server(config)


class Server(uvicorn.Server):
    """A server that takes a signal as the normal end: requests that run are answered first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {}
        with contextlib.suppress(ValueError):  # only the main thread takes signals
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Protocol(H11Protocol):
    """HTTP with deadlines: for the headers of a request, and for the whole of it with its answer."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport):
        super().connection_made(transport)
        self._due(HEADER_SECONDS)

    def handle_events(self):
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:  # its headers have come
            self._due(REQUEST_SECONDS)

    def on_response_complete(self):
        super().on_response_complete()
        if self.cycle.response_complete:
            self._due(HEADER_SECONDS)

    def connection_lost(self, exc):
        super().connection_lost(exc)
        if self._deadline:
            self._deadline.cancel()

    def _due(self, seconds):
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
