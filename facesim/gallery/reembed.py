"""Make a gallery anew with another model."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from facesim.cores import cores
from facesim.detector.box import Face
from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.errors import FaceSimError
from facesim.gallery.known import is_unchanged
from facesim.gallery.rows import FaceRow
from facesim.gallery.store import Gallery
from facesim.model import Model
from facesim.photo import open_photo
from facesim.text import pluralise, printable

_BATCH = 1000  # faces; what is lost where a process is killed


def reembed(gallery: Gallery, model: Model, drop_missing: bool = False) -> Iterator[FaceSimError | None]:
    """Embed all faces of a gallery with `model`, from their photos; yield, for each row, what kept it from it, or None.

    Until the last is done the gallery is as it was; then the new one takes its place, and nothing is left of the old.
    An interrupted run is continued, unless faces have been renamed, or their photos have changed, since then. A photo
    that has gone, or has changed, keeps the whole gallery as it was, unless `drop_missing` has its faces left out.

    Raises FaceSimError where the gallery cannot be written, or, at the end, where photos were missing.
    """
    with gallery.alone(), ThreadPoolExecutor(cores()) as pool:
        if gallery.fingerprint == model.fingerprint:
            gallery.clean()  # a run that was killed as it ended may have left the old ones
            return
        remade = gallery.remade_by(model)
        done = {_digest(row) for row in remade.rows()}
        if not done <= {_digest(row) for row in gallery.rows()}:  # some were renamed, or have changed, since then
            remade, done = gallery.remade_by(model, anew=True), set()
        rows, missing = gallery.rows(), 0
        while batch := list(islice(rows, _BATCH)):
            new = [row for row in batch if _digest(row) not in done]
            outcomes = list(pool.map(lambda row: _remake(row, model), new))
            remade.add([outcome for outcome in outcomes if isinstance(outcome, FaceRow)])
            errors = [outcome for outcome in outcomes if isinstance(outcome, FaceSimError)]
            missing += len(errors)
            yield from errors
            yield from [None] * (len(batch) - len(errors))
        if missing and not drop_missing:
            raise FaceSimError(
                f"{pluralise(missing, 'face')} could not be embedded again: {printable(gallery.address)} is as it was. "
                "Bring the photos back, or leave such faces out by --drop-missing."
            )
        gallery.become(remade)


def _digest(row: FaceRow) -> bytes:
    return hashlib.blake2b(repr(row._replace(embedding=None)).encode(), digest_size=12).digest()


def _remake(row: FaceRow, model: Model) -> FaceRow | FaceSimError:
    if row.problem:
        return row
    try:
        photo = open_photo(row.photo)
        if not is_unchanged(row.photo, row.version, row.content):
            raise FaceSimError(f"{row.photo} has changed since it was embedded: its face may be elsewhere.")
        crop = centre_crop(cut_wide_crop(photo, Face(row.box, row.angle)))
    except FaceSimError as error:
        return error
    return row._replace(embedding=model.embed(crop[None])[0])
