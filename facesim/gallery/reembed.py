"""Embed a gallery's faces again with another model."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from facesim.detector.crop import centre_crop, cut_wide_crop
from facesim.errors import FaceSimError
from facesim.gallery.maintenance import STAGED, overwrite, purge
from facesim.gallery.rows import FaceRow, check_not_uploaded, fingerprint_in, gallery_schema
from facesim.gallery.store import Gallery
from facesim.gallery.tables import connect, open_table, translate_errors
from facesim.gallery.version import is_unchanged
from facesim.model import Model
from facesim.photo import open_photo
from facesim.text import pluralise, printable

_BATCH = 1000  # faces; what is lost where a process is killed


def reembed(gallery: Gallery, model: Model, drop_missing: bool = False) -> Iterator[FaceSimError | None]:
    """Embed all faces of a gallery with `model`, from their photos; yield, for each row, None or why it failed.

    The gallery stays as it was until the last face is done; then the new one replaces it, and nothing is left of the
    old. An interrupted run is continued, unless faces have been renamed, or their photos have changed, since then. If a
    photo has gone or changed, the gallery stays as it was, unless `drop_missing` says to leave out its faces.

    Raises FaceSimError where the gallery cannot be written, or, at the end, where photos were missing.
    """
    with gallery.exclusive(), ThreadPoolExecutor(model.threads) as pool:
        if gallery.fingerprint == model.fingerprint:
            purge(gallery)  # a run that was killed at its end may have left the old embeddings
            return
        staged = staged_gallery(gallery, model)
        done = {_digest(row) for row in staged.rows()}
        if not done <= {_digest(row) for row in gallery.rows()}:  # some were renamed, or have changed, since then
            staged, done = staged_gallery(gallery, model, anew=True), set()
        rows, missing = gallery.rows(), 0
        while batch := list(islice(rows, _BATCH)):
            new = [row for row in batch if _digest(row) not in done]
            outcomes = list(pool.map(lambda row: _reembed_row(row, model), new))
            staged.add([outcome for outcome in outcomes if isinstance(outcome, FaceRow)])
            errors = [outcome for outcome in outcomes if isinstance(outcome, FaceSimError)]
            missing += len(errors)
            yield from errors
            yield from [None] * (len(batch) - len(errors))
        if missing and not drop_missing:
            raise FaceSimError(
                f"{pluralise(missing, 'face')} could not be embedded again: {printable(gallery.address)} is as it was. "
                "Bring the photos back, or leave such faces out by --drop-missing."
            )
        overwrite(gallery, staged.schema, staged.batches())
        purge(gallery)


def staged_gallery(gallery: Gallery, model: Model, anew: bool = False) -> Gallery:
    """Open the gallery that is to replace this one, with the rows it has already, or empty if `anew`."""
    table = None if anew else open_table(gallery.address, STAGED)
    with translate_errors(gallery.address):
        if table is None or fingerprint_in(table.schema, gallery.address) != model.fingerprint:
            schema = gallery_schema(model.embedding_size, model.fingerprint)
            table = connect(gallery.address).create_table(STAGED, schema=schema, mode="overwrite")
    return Gallery(gallery.address, table, model)


def _digest(row: FaceRow) -> bytes:
    return hashlib.blake2b(repr(row._replace(embedding=None)).encode(), digest_size=12).digest()


def _reembed_row(row: FaceRow, model: Model) -> FaceRow | FaceSimError:
    if row.problem:
        return row
    try:
        check_not_uploaded(row.photo)
        photo = open_photo(row.photo)
        if not is_unchanged(row.photo, row.version, row.content):
            raise FaceSimError(f"{row.photo} has changed since it was embedded: its face may be elsewhere.")
        crop = centre_crop(cut_wide_crop(photo, row.face))
    except FaceSimError as error:
        return error
    return row._replace(embedding=model.embed(crop[None])[0])
