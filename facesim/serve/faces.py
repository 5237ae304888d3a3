"""The API's answers about faces: find them, compare them, embed them; and what the model is."""

import base64
import dataclasses
import io
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facesim.detector.box import SAME_FACE, Box, Face, box_from_text, overlap
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.detector.selection import EmbeddedPhoto, FoundFace, cut_faces
from facesim.errors import FaceSimError
from facesim.model_info import ModelInfo, OperatingPoint
from facesim.operating_points import point_as_dict, point_text
from facesim.photo import Photo, open_photo
from facesim.serve.forms import Form, read_form
from facesim.serve.problems import RequestError, photo_problem
from facesim.serve.work import Workers
from facesim.verifier import Verifier

_VERIFY_FIELDS = ("faces", "box1", "box2", "threshold", "fmr", "crops", "all_faces")


def model_as_dict(verifier: Verifier) -> dict[str, Any]:
    """Return what the model file states, and the threshold in use."""
    info = verifier.model.info
    return {
        "fingerprint": verifier.model.fingerprint,
        "threshold": verifier.threshold,
        "embedding_size": verifier.model.embedding_size,
        "calibration": dict(zip(("intercept", "slope"), info.calibration, strict=True)),
        "operating_points": [_point_as_dict(info, point) for point in info.operating_points],
        "distances": info.distances and dataclasses.asdict(info.distances),
    }


def _point_as_dict(info: ModelInfo, point: OperatingPoint) -> dict[str, Any]:
    return {"fnmr": point.fnmr, "data": info.measured_on(point)} | (point_as_dict(point) or {})


async def show_model(request: Request) -> Response:
    return JSONResponse(model_as_dict(request.app.state.verifier))


async def find_faces(request: Request) -> Response:
    workers: Workers = request.app.state.workers
    async with read_form(request, workers, ["photo"]) as form:
        return JSONResponse(await workers.run(_found, *form.photos[0]))


async def embed(request: Request) -> Response:
    workers: Workers = request.app.state.workers
    async with read_form(request, workers, ["photo"], ["faces"]) as form:
        selection = form.selection("all")
        _, embedded = await workers.run(embed_photo, request.app.state.verifier, *form.photos[0], selection)
    faces = zip(*embedded, strict=True)
    return JSONResponse([face.as_dict() | {"embedding": embedding.tolist()} for face, embedding in faces])


async def verify(request: Request) -> Response:
    workers: Workers = request.app.state.workers
    async with read_form(request, workers, ["photo1", "photo2"], _VERIFY_FIELDS) as form:
        verifier = verifier_for(request.app.state.verifier, form)
        selection, photos = form.selection("largest"), dict(form.photos)
        calls = [
            (verifier, f"photo{number}", photos[f"photo{number}"], selection, _box(form, f"box{number}"))
            for number in (1, 2)
        ]
        want_crops, want_faces = form.flag("crops"), form.flag("all_faces")
        (photo1, embedded1), (photo2, embedded2) = await workers.run_all(embed_photo, *calls)
        verdict = verifier.decide(embedded1, embedded2)
        compared = ((photo1, verdict.face1), (photo2, verdict.face2))
        answer = verdict.as_dict() | {
            "model": request.app.state.fingerprint,  # its path is nobody's business
            "text": {
                "verdict": verdict.text,
                "probability": verdict.probability_sentence,
                "threshold": point_text(verifier.model.info, verdict.threshold),
            },
        }
        if want_crops:
            answer |= zip(("crop1", "crop2"), await workers.run_all(_crop, *compared), strict=True)
        if want_faces:
            for number, found in enumerate(await workers.run_all(_faces_beside, *compared), 1):
                answer |= {f"size{number}": found["size"], f"faces{number}": found["faces"]}
    return JSONResponse(answer)


def verifier_for(verifier: Verifier, form: Form) -> Verifier:
    """Return a verifier with the threshold that a request asks for, by itself or by its FMR; or the one in use."""
    threshold, fmr = form.number("threshold"), form.number("fmr")
    if threshold is None and fmr is None:
        return verifier
    try:
        return Verifier(verifier.model, threshold, fmr=fmr)
    except FaceSimError as error:
        raise RequestError(400, str(error)) from error


def _box(form: Form, name: str) -> Box | None:
    try:
        return box_from_text(form.fields[name]) if name in form.fields else None
    except FaceSimError as error:
        raise RequestError(400, str(error)) from error


def embed_photo(
    verifier: Verifier, name: str, data: bytes, selection: str, box: Box | None = None
) -> tuple[Photo, EmbeddedPhoto]:
    """Return an uploaded photo, opened, and its embedded faces; raises RequestError where there are none."""
    try:
        photo = open_photo(data, name)
        return photo, verifier.embed_faces(photo, selection, box)
    except FaceSimError as error:
        raise photo_problem(error, name) from error


def _found(name: str, data: bytes) -> dict[str, Any]:
    try:
        photo = open_photo(data, name)
        return _faces_as_dict(photo, [face for face, _ in cut_faces(photo, "all")])
    except FaceSimError as error:
        raise photo_problem(error, name) from error


def _faces_beside(photo: Photo, compared: FoundFace) -> dict[str, Any]:
    """Return all faces of a photo, among them the one that was compared, as it was found then."""
    try:
        faces = [face for face, _ in cut_faces(photo, "all")]
    except FaceSimError:  # only a closer look, into a box, has found the one
        faces = []
    same = [overlap(face.box, compared.box) for face in faces]
    if max(same, default=0.0) >= SAME_FACE:
        faces[same.index(max(same))] = compared
    else:
        faces.append(compared)
    return _faces_as_dict(photo, faces)


def _faces_as_dict(photo: Photo, faces: list[FoundFace]) -> dict[str, Any]:
    return {"size": photo.size, "faces": [face.as_dict() | {"main": not i} for i, face in enumerate(faces)]}


def _crop(photo: Photo, face: FoundFace) -> str:
    """Return a face as the network reads it, as the data URL of a PNG."""
    crop, file = centre_crop(cut_wide_crop(photo, Face(face.box, face.angle))), io.BytesIO()
    Image.fromarray(crop).save(file, "png", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
