"""`facesim cluster`: group photos by who is on them."""

import csv
import json

import click

from facesim.cli import verb
from facesim.cli.messages import note
from facesim.cli.options import (
    ALLOW_TWICE,
    GPU,
    JSON_LINES,
    MODEL,
    draw_option,
    faces_option,
    output_option,
    threshold_option,
)
from facesim.detector.selection import box_text
from facesim.files import check_apart, check_picture_path, check_writable, save_picture, utf8_text, write_whole
from facesim.text import pluralise, printable


@verb(status="0 success, 2 trouble (some photos could not be read; the others are grouped).")
@click.argument("photos", nargs=-1, required=True)
@threshold_option("by the number of faces")
@faces_option("all")
@ALLOW_TWICE
@MODEL
@GPU
@output_option("Write group, photo, box and name of each face as CSV.")
@draw_option("Draw the faces, group by group.")
@JSON_LINES
def cluster(photos, threshold, selection, allow_twice, model, gpu, output, draw, as_json):
    """Group the faces on PHOTOS by person: files, folders of them, or a gallery.

    \b
    facesim cluster holiday --draw groups.png    photos in a folder
    facesim cluster GALLERY -o groups.csv        all faces in a gallery

    Nobody needs to be known. A group is meant to be one person, but some people are split into two groups, and people
    who look alike may share one: check the picture that --draw makes. A face that matches no other is a group of one.
    Two faces on one photo are two people, and in two groups, unless --allow-twice is given.
    Without -t, the threshold follows from the model's false match rates and is stricter the more faces there are.
    """
    from tqdm import tqdm

    from facesim.errors import FaceSimError, NoFaceError
    from facesim.gallery.cluster import group_rows, threshold_for
    from facesim.gallery.embed import faces_on
    from facesim.gallery.picture import draw_groups
    from facesim.verifier import Verifier

    if draw:
        check_picture_path(draw)
    if output:
        check_writable(output)
    written = [path for path in (output, draw) if path]
    verifier = Verifier(model, threshold, gpu)
    check_apart(written, [verifier.model.path, *photos])
    rows, failed = [], 0
    with tqdm(desc="embedding", unit="photo", disable=None) as bar:
        for found in faces_on(photos, verifier, selection):
            bar.update()
            if isinstance(found, FaceSimError):
                failed += not isinstance(found, NoFaceError)
                note(found, bar)
            else:
                rows += found
    if not rows:
        raise FaceSimError(f"no face was found in {', '.join(photos)}: there is nothing to group.")
    if threshold is None:
        threshold = threshold_for(verifier.model.info, len(rows))
    check_apart(written, (row.photo for row in rows))  # a gallery's photos
    groups = group_rows(rows, threshold, allow_twice)
    if output:
        with write_whole(output) as scratch, utf8_text(open(scratch, "wb")) as file:
            writer = csv.writer(file)
            writer.writerow(("group", "photo", "box", "name"))
            for number, group in enumerate(groups, 1):
                writer.writerows((number, row.photo, box_text(row.face.box), row.name) for row in group)
    if draw:
        save_picture(draw_groups(groups), draw)
    if as_json:
        for number, group in enumerate(groups, 1):
            members = [{"photo": row.photo, "box": row.face.box._asdict(), "name": row.name} for row in group]
            click.echo(json.dumps({"group": number, "faces": members}))
    else:
        several = [group for group in groups if len(group) > 1]
        alone = pluralise(len(groups) - len(several), "face")
        click.echo(f"{pluralise(len(rows), 'face')}: {pluralise(len(several), 'group')}, and {alone} alone.")
        for number, group in enumerate(several, 1):
            shown = ", ".join(printable(row.photo) for row in group[:3])
            click.echo(f"{number:>6}  {len(group):>6} faces  {shown}{', …' if len(group) > 3 else ''}")
    return 2 if failed else 0
