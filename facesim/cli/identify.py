"""`facesim identify`: say who is on a photo."""

import json
from pathlib import Path

import click

from facesim.cli import GPU, HELP, MODEL, Command
from facesim.cli.gallery_options import (
    ALL_FACES,
    FMR,
    GALLERY,
    IDENTIFIED_COLUMNS,
    JSON,
    THRESHOLD,
    identified_line,
    open_identifier,
    say_how_many_strangers_pass,
    say_worst_recorded,
)
from facesim.errors import FaceSimError
from facesim.files import check_apart, check_picture_path, save_picture


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("photos", nargs=-1, required=True)
@FMR
@THRESHOLD
@ALL_FACES
@MODEL
@GPU
@JSON
@click.option("--show", type=click.Path(dir_okay=False), help="Draw the photo, its faces and their names to this file.")
def identify(address, photos, fmr, threshold, selection, model, gpu, as_json, show):
    """Say who is on a photo: somebody enrolled in GALLERY, or unknown.

    A face is known where its nearest enrolled face lies under the model's threshold. That threshold is meant for two
    photos: each enrolled face is one more chance for a stranger to match. --fmr picks the model's stored threshold by
    which, at this gallery's size, at most that share of strangers is taken for anybody; it says so where there is none.

    The probability that the name is right holds as if half of all faces shown were of people enrolled, each enrolled
    face as likely as the next.

    Each face of each photo gets its line. PHOTOS may be folders, too.

    Exit status: 0 every face is known, 1 one is unknown, 2 trouble (a photo cannot be read, or shows no face).
    """
    from facesim.folder import photos_at
    from facesim.gallery.picture import draw_identified
    from facesim.model import default_model

    photos = list(photos_at(photos))
    if show:
        if len(photos) != 1:
            raise click.UsageError("--show draws one photo: give one.")
        check_picture_path(Path(show))
        check_apart([Path(show)], [*photos, model or default_model()])
    identifier = open_identifier(address, model, gpu, fmr, threshold, selection)
    if fmr is None:
        say_how_many_strangers_pass(identifier)
    status, recorded = 0, identifier.info.worst_at(identifier.threshold)
    if not as_json:
        say_worst_recorded(identifier)
        click.echo(IDENTIFIED_COLUMNS)
    for photo, found in zip(photos, identifier.identify_many(photos), strict=True):
        if isinstance(found, FaceSimError):
            if as_json:
                click.echo(json.dumps({"photo": photo, "error": str(found)}))
            click.echo(f"facesim: {found}", err=True)
            status = 2
            continue
        for face in found:
            click.echo(json.dumps(face.as_dict() | recorded) if as_json else identified_line(face))
            for warning in face.face.warnings:
                click.echo(f"facesim: {face.face.photo}: {warning}; the name may be wrong.", err=True)
        if status != 2 and not all(face.name for face in found):
            status = 1
        if show:
            save_picture(draw_identified(photo, found), Path(show))
    return status
