"""`facesim identify`: say who is on a photo."""

import json

import click

from facesim.cli import verb
from facesim.cli.identification import (
    IDENTIFIED_COLUMNS,
    identified_line,
    note_highest_fmr,
    note_named_strangers,
    open_identifier,
)
from facesim.cli.messages import note
from facesim.cli.options import (
    ALLOW_TWICE,
    FMR,
    GALLERY,
    GPU,
    JSON_LINES,
    MODEL,
    check_one_threshold,
    draw_option,
    faces_option,
    threshold_option,
)
from facesim.errors import FaceSimError
from facesim.files import check_apart, check_picture_path, save_picture
from facesim.text import printable


@verb(status="0 every face is known, 1 some face is unknown, 2 trouble (a photo cannot be read, or shows no face).")
@GALLERY
@click.argument("photos", nargs=-1, required=True)
@FMR
@threshold_option("as --fmr picks it")
@faces_option("all")
@ALLOW_TWICE
@MODEL
@GPU
@JSON_LINES
@draw_option("Draw the photo with its faces and their names.", former=["--show"])
def identify(address, photos, fmr, threshold, selection, allow_twice, model, gpu, as_json, draw):
    """Say who each face on PHOTOS is: somebody enrolled in GALLERY, or unknown. PHOTOS are files or folders.

    \b
    facesim identify GALLERY photo.jpg --draw named.jpg
    facesim identify GALLERY photo.jpg --fmr 0.1     name up to one stranger in ten, and miss fewer people
    facesim identify GALLERY folder --json

    All photos of a person make one template. A face is known if the nearest template is closer than the threshold. Each
    person is one more chance for a stranger to match, so the threshold is the one in the model file at which, with so
    many people enrolled, at most 1 % of strangers are named. If there is none so strict, it is the strictest, and a
    line says how many strangers are named; --fmr asks for another share, and fails where the model cannot promise it.
    -t sets the threshold itself.

    Two faces on one photo are two people: of several that would get one name, the closest gets it, and the others are
    unknown, unless --allow-twice is given.

    The probability that a name is right assumes that half of all faces shown are of people enrolled, and that each of
    them is equally likely.
    """
    check_one_threshold(threshold, fmr)
    from facesim.folder import photos_at

    photos = list(photos_at(photos))
    if draw:
        if len(photos) != 1:
            raise click.UsageError("--draw is for one photo: give one.")
        check_picture_path(draw)
        from facesim.model import default_model

        check_apart([draw], [*photos, model or default_model()])
    identifier = open_identifier(
        address, model, gpu, fmr, threshold, selection, allow_twice=allow_twice, photo_count=len(photos)
    )
    if fmr is None:
        note_named_strangers(identifier, threshold)
    status, recorded = 0, identifier.info.worst_at(identifier.threshold)
    if not as_json:
        note_highest_fmr(identifier)
        click.echo(IDENTIFIED_COLUMNS)
    for photo, found in zip(photos, identifier.identify_many(photos), strict=True):
        if isinstance(found, FaceSimError):
            if as_json:
                click.echo(json.dumps({"photo": photo, "error": str(found)}))
            note(found)
            status = 2
            continue
        for face in found:
            click.echo(json.dumps(face.as_dict() | recorded) if as_json else identified_line(face))
            for warning in face.face.warnings:
                note(f"{face.face.photo}: {warning}; the name may be wrong.")
        for name in sorted({face.nearest.name for face in found if face.outdone}):
            several = f"several faces look like {printable(name)}; the closest is named (--allow-twice: all)"
            note(f"{printable(photo)}: {several}.")
        if status != 2 and not all(face.name for face in found):
            status = 1
        if draw:
            from facesim.gallery.picture import draw_identified

            save_picture(draw_identified(photo, found), draw)
    return status
