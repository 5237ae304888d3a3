"""What every request passes first: whether it may be here, and what a browser may do with the answer."""

import hmac
import os
import secrets
import time
import traceback
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facesim.environment import DEBUG
from facesim.serve.forms import read_body
from facesim.serve.limits import MAX_FIELD
from facesim.serve.problems import RequestError

COOKIE, LOGIN = "facesim", "/login"
_FOR_ALL = (LOGIN, "/static/style.css", "/static/icon.svg")  # what the form needs that asks for the token
_SAME_MACHINE = ("localhost", "127.0.0.1", "[::1]")
_SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers would hide the login form's origin
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Passes requests on to the application that are from this machine's own page, or from no page, and may be here.

    Without a `token`, the Host must be this machine: a site whose name leads here (DNS rebinding) is refused.
    With one, every request needs it, or the cookie that the login form gives for it, but for the form and its style.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, log: Callable[[str], object] | None = None):
        self._app, self._token, self._log = app, token, log
        self._session = secrets.token_urlsafe(32)  # the cookie's value: it ends with the process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        start, status = time.monotonic(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(_SECURITY)
            await send(message)

        try:
            app = self._refusal(scope) or (self._login if self._asks_to_log_in(scope) else self._app)
            await app(scope, receive, send_guarded)
        except Exception as error:  # it has been answered
            if os.environ.get(DEBUG):
                traceback.print_exception(error)
        if self._log:  # without addresses: they can name people
            endpoint = getattr(scope.get("endpoint"), "__name__", "-")
            self._log(f"{scope['method']} {endpoint} {status} {time.monotonic() - start:.3f} s")

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin, site = (headers.get(name) for name in ("host", "origin", "sec-fetch-site"))
        if self._token is None and _name_of(host or "") not in _SAME_MACHINE:
            return _forbidden("this server answers only to localhost: open it under that name.")
        if origin is not None and origin.partition("://")[2] != host:
            return _forbidden("another site's page may not use this server.")
        if site not in (None, "same-origin", "none"):
            followed_link = scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
            if not followed_link:
                return _forbidden("another site's page may not use this server.")
        if scope["path"] in _FOR_ALL or self._may_enter(scope):
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            return RedirectResponse(LOGIN, 303)
        detail = "this server needs its token: send the header Authorization: Bearer TOKEN."
        return RequestError(401, detail, WWW_Authenticate="Bearer").response()

    def _may_enter(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        cookie = Request(scope).cookies.get(COOKIE, "")
        return (kind.lower() == "bearer" and _equal(given.strip(), self._token)) or _equal(cookie, self._session)

    def _asks_to_log_in(self, scope: Scope) -> bool:
        return scope["path"] == LOGIN and scope["method"] == "POST"

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(Request(scope, receive), MAX_FIELD)
            given = parse_qs(body.decode(errors="replace"), max_num_fields=5).get("token", [""])[0]
        except (RequestError, ValueError):
            given = ""
        response = RedirectResponse(LOGIN + "?wrong", 303)
        if self._token is None or _equal(given.strip(), self._token):
            response = RedirectResponse("/", 303)
            response.set_cookie(COOKIE, self._session, httponly=True, samesite="strict")
        await response(scope, receive, send)


def _name_of(host: str) -> str:
    """Return a Host header without its port."""
    name, _, port = host.lower().rpartition(":")
    return name if name and port.isdigit() else host.lower()


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), secret.encode())


def _forbidden(detail: str) -> Response:
    return RequestError(403, detail).response()
