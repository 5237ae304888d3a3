"""The API's description, by the OpenAPI specification 3.1: kept by hand, and held against the real answers in tests."""

from collections.abc import Iterator
from typing import Any

from facesim import __version__
from facesim.detector.box import SELECTIONS

Schema = dict[str, Any]
_NUMBER, _TEXT, _WHOLE, _FLAG = ({"type": kind} for kind in ("number", "string", "integer", "boolean"))


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_PHOTO: Schema = {"type": "string", "format": "binary", "description": "A photo: JPEG, PNG, WebP, …"}
_FACES: Schema = {"type": "string", "enum": list(SELECTIONS), "description": "Which faces of a photo count."}
_BOX_TEXT: Schema = {"type": "string", "description": "Where the face is, as x,y,w,h in pixels of the upright photo."}
_THRESHOLD: Schema = {"type": "number", "minimum": 0, "maximum": 2, "description": "Faces match below this distance."}
_FMR: Schema = {"type": "number", "description": "Use the operating point for this false match rate instead."}
_SHOWN: Schema = {"type": "string", "enum": ["0", "1"]}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
_SIZE = _list(_WHOLE) | {"minItems": 2, "maxItems": 2, "description": "Width and height in pixels."}
_WORST = {"type": "object", "description": "The data, or the group, with the highest FMR recorded."}

_BOX = _object(dict.fromkeys(("left", "top", "right", "bottom"), _WHOLE))
_FACE = {"photo": _TEXT, "box": _ref("Box"), "faces": _WHOLE, "angle": _NUMBER, "warnings": _list(_TEXT)}
_MAIN_FACE = _FACE | {"main": _FLAG}
_POINT = {"name": _TEXT, "threshold": _NUMBER, "fmr": _NUMBER, "worst": _WORST}
_VERDICT = {
    "same": _FLAG,
    "distance": _NUMBER,
    "threshold": _NUMBER,
    "probability": _NUMBER,
    "face1": _ref("Face"),
    "face2": _ref("Face"),
    "model": {"type": "string", "description": "The fingerprint of the network."},
    "operating_point": _or_null(_object(_POINT, ("worst",))),
    "text": _object({"verdict": _TEXT, "probability": _TEXT, "threshold": _TEXT}),
    "crop1": {"type": "string", "description": "With crops=1: what the network read, as the data URL of a PNG."},
    "crop2": _TEXT,
    "size1": _SIZE,
    "faces1": _list(_ref("MainFace")) | {"description": "With all_faces=1: all faces of the first photo."},
    "size2": _SIZE,
    "faces2": _list(_ref("MainFace")),
}
_COUNTS = _list(_WHOLE)
_MODEL = {
    "fingerprint": _TEXT,
    "threshold": _NUMBER,
    "embedding_size": _WHOLE,
    "calibration": _object({"intercept": _NUMBER, "slope": _NUMBER}),
    "operating_points": _list(_object(_POINT | {"fnmr": _NUMBER, "data": _TEXT}, ("worst",))),
    "distances": _or_null(_object({"data": _TEXT, "step": _NUMBER, "genuine": _COUNTS, "impostor": _COUNTS})),
}
_IDENTIFIED = {
    "photo": _TEXT,
    "box": _ref("Box"),
    "name": _or_null(_TEXT),
    "distance": _or_null(_NUMBER),
    "probability": _NUMBER,
    "threshold": _NUMBER,
    "nearest": _or_null(_object({"name": _TEXT, "photo": _TEXT})),
    "warnings": _list(_TEXT),
    "operating_point": {"type": "object"},
}
_MATCH = {"distance": _NUMBER, "same": _FLAG, "name": _or_null(_TEXT), "photo": _TEXT, "box": _ref("Box")}
_LIKENESS = _object({"name": _or_null(_TEXT), "photo": _TEXT, "distance": _NUMBER})
_ENROLLED = {
    "photo": _TEXT,
    "name": _TEXT,
    "box": _or_null(_ref("Box")),
    "warnings": _list(_TEXT),
    "error": _or_null(_TEXT),
    "likeness": _or_null(_LIKENESS),
    "known_as": _or_null(_TEXT),
}
_PROBLEM = {"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT, "photo": _TEXT}

_WHY = {
    400: "malformed",
    401: "no token, or a wrong one",
    403: "another site's page, another host, or no permission to write",
    404: "nothing there",
    408: "the request took too long to arrive",
    409: "the gallery cannot do this as it is",
    413: "too large",
    415: "another content type is needed",
    422: "a photo that cannot be read, or shows no face",
    503: "busy: Retry-After says when to try again",
}
_ALWAYS, _UPLOAD = (401, 403), (400, 408, 413, 415, 422, 503)


def _operation(summary: str, answer: Schema, errors: tuple[int, ...] = (), **fields: Any) -> Schema:
    problems = {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted({*_ALWAYS, *errors})}
    content = answer if "content" in answer else {"content": {"application/json": {"schema": answer}}}
    return {"summary": summary, "responses": {"200": {"description": "The answer."} | content} | problems} | fields


def _form(photos: tuple[str, ...], fields: dict[str, Schema], needed: tuple[str, ...] = ()) -> Schema:
    schema = _object(dict.fromkeys(photos, _PHOTO) | fields) | {"required": [*photos, *needed]}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


_PERSON = {"name": "name", "in": "path", "required": True, "schema": _NAME}
_RENAMING = _object({"name": _NAME, "merge": _FLAG}, ("merge",))
_JPEG: Schema = {"content": {"image/jpeg": {}}}
_PATHS: dict[str, Schema] = {
    "/health": {"get": _operation("Say that the server runs.", _object({"status": _TEXT}))},
    "/v1/model": {"get": _operation("Describe the model: its thresholds, error rates and distances.", _ref("Model"))},
    "/v1/faces": {
        "post": _operation(
            "Find all faces on a photo.",
            _object({"size": _SIZE, "faces": _list(_ref("MainFace"))}),
            _UPLOAD,
            requestBody=_form(("photo",), {}),
        )
    },
    "/v1/verify": {
        "post": _operation(
            "Say whether two photos show one person.",
            _ref("Verdict"),
            _UPLOAD,
            requestBody=_form(
                ("photo1", "photo2"),
                {"faces": _FACES, "box1": _BOX_TEXT, "box2": _BOX_TEXT, "threshold": _THRESHOLD, "fmr": _FMR}
                | {"crops": _SHOWN, "all_faces": _SHOWN},
            ),
        )
    },
    "/v1/embed": {
        "post": _operation(
            "Embed the faces on a photo.",
            _list(_object(_FACE | {"embedding": _list(_NUMBER)})),
            _UPLOAD,
            requestBody=_form(("photo",), {"faces": _FACES}),
        )
    },
    "/v1/identify": {
        "post": _operation(
            "Say who each face on a photo is.",
            _list(_object(_IDENTIFIED, ("operating_point",))),
            (404, 409, *_UPLOAD),
            requestBody=_form(("photo",), {"faces": _FACES, "threshold": _THRESHOLD, "fmr": _FMR}),
        )
    },
    "/v1/search": {
        "post": _operation(
            "Find the enrolled faces nearest to a photo's main face.",
            _list(_object(_MATCH)),
            (404, 409, *_UPLOAD),
            requestBody=_form(("photo",), {"k": _WHOLE}),
        )
    },
    "/v1/people": {
        "get": _operation("List who is enrolled.", _list(_object({"name": _NAME, "faces": _WHOLE})), (404, 409)),
        "post": _operation(
            "Enrol a person, from one photo or several.",
            _list(_object(_ENROLLED)),
            (404, 409, *_UPLOAD),
            requestBody=_form(("photo",), {"name": _NAME}, ("name",)),
        ),
    },
    "/v1/people/{name}": {
        "patch": _operation(
            "Give a person another name, or merge two people.",
            _object({"name": _NAME, "faces": _WHOLE}),
            (400, 404, 408, 409, 413, 415),
            parameters=[_PERSON],
            requestBody={"required": True, "content": {"application/json": {"schema": _RENAMING}}},
        ),
        "delete": _operation(
            "Forget a person, for good.",
            _object({"faces": _WHOLE, "photos": _WHOLE}),
            (400, 404, 409),
            parameters=[_PERSON],
        ),
    },
    "/v1/people/{name}/picture": {
        "get": _operation(
            "Show a person's face, from a photo that is still at its place.",
            _JPEG,
            (400, 404, 409),
            parameters=[_PERSON],
        )
    },
}

DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "facesim",
        "version": __version__,
        "description": "Do two photos show the same person? Where the server was given a token, each request needs it.",
    },
    "paths": _PATHS,
    "components": {
        "schemas": {
            "Box": _BOX,
            "Face": _object(_FACE),
            "MainFace": _object(_MAIN_FACE),
            "Verdict": _object(_VERDICT, ("crop1", "crop2", "size1", "size2", "faces1", "faces2")),
            "Model": _object(_MODEL),
            "Problem": _object(_PROBLEM, ("photo",)),
        },
        "responses": {
            str(status): {
                "description": why,
                "content": {"application/problem+json": {"schema": _ref("Problem")}},
            }
            for status, why in _WHY.items()
        },
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
    "security": [{}, {"token": []}],
}


def operations() -> Iterator[dict[str, Any]]:
    """Yield, for the page of the API, each operation's method, path, summary, fields and errors."""
    for path, methods in _PATHS.items():
        for method, operation in methods.items():
            forms = operation.get("requestBody", {}).get("content", {})
            content_type, schema = next(((kind, form["schema"]) for kind, form in forms.items()), ("", _object({})))
            yield {
                "method": method.upper(),
                "path": path,
                "summary": operation["summary"],
                "content_type": content_type,
                "fields": schema["properties"],
                "needed": schema["required"],
                "errors": {status: _WHY[int(status)] for status in operation["responses"] if status != "200"},
            }
