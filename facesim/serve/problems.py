"""Errors as the API gives them: problem details for HTTP (RFC 9457)."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facesim.errors import FaceSimError, NoFaceError

NO_FACE = "/docs#no-face"


class RequestError(Exception):
    """Why a request has no other answer: an HTTP status, a sentence, and the name of the photo that it is about."""

    def __init__(self, status: int, detail: str, photo: str = "", kind: str = "about:blank", **headers: str):
        super().__init__(detail)
        self.status, self.photo, self.kind, self.headers = status, photo, kind, headers

    def response(self) -> Response:
        fields = {"type": self.kind, "title": HTTPStatus(self.status).phrase, "status": self.status}
        fields |= {"detail": str(self)} | ({"photo": self.photo} if self.photo else {})
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        return JSONResponse(fields, self.status, headers, media_type="application/problem+json")


def photo_problem(error: FaceSimError, photo: str) -> RequestError:
    """Return the problem of a photo that cannot be read, or shows no face."""
    return RequestError(422, str(error), photo, NO_FACE if isinstance(error, NoFaceError) else "about:blank")


_ROUTING = {
    404: "there is nothing at this address: see /docs for what there is.",
    405: "this address does not take this method: see /docs for what it takes.",
}


def problem_response(request: Request, error: Exception) -> Response:
    """Return the answer to a request that raised an error."""
    if isinstance(error, RequestError):
        return error.response()
    if isinstance(error, HTTPException):
        detail = _ROUTING.get(error.status_code, f"{error.detail}.")
        return RequestError(error.status_code, detail, **(error.headers or {})).response()
    kind = type(error).__name__  # its message may hold a name
    return RequestError(500, f"this should not have happened ({kind}): please report it.").response()
