"""`facesim cluster`: group photos by who is on them."""

import csv
import json
from pathlib import Path

import click

from facesim.cli import GPU, HELP, MODEL, Command
from facesim.cli.gallery_options import ALL_FACES, tell
from facesim.detector.selection import box_text
from facesim.files import ENCODING, check_apart, check_picture_path, check_writable, save_picture, write_whole
from facesim.text import pluralise, printable


@click.command(cls=Command, context_settings=HELP)
@click.argument("photos", nargs=-1, required=True)
@click.option(
    "-t",
    "--threshold",
    type=float,
    help="Faces are linked below it (0 to 2), instead of by the model's false match rates for so many faces.",
)
@ALL_FACES
@MODEL
@GPU
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="Write group, photo, box and name to this CSV file."
)
@click.option("--draw", type=click.Path(dir_okay=False), help="Draw the groups' faces to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each group.")
def cluster(photos, threshold, selection, model, gpu, output, draw, as_json):
    """Group the faces on PHOTOS, files or folders of them, or in a gallery, by person.

    Nobody needs to be known. A group is meant to be one person, but some people fall into two groups, and people who
    look alike into one: look at the picture that --draw makes. Faces that match nobody else are groups of one. The
    more faces there are, the nearer two must be to be linked.

    Exit status: 0 done, 2 trouble (a photo could not be read; the others are grouped).
    """
    import numpy as np
    from tqdm import tqdm

    from facesim.errors import FaceSimError, NoFaceError
    from facesim.gallery.cluster import cluster as group_faces
    from facesim.gallery.cluster import threshold_for
    from facesim.gallery.embed import faces_on
    from facesim.gallery.picture import draw_groups
    from facesim.verifier import Verifier

    if draw:
        check_picture_path(Path(draw))
    if output:
        check_writable(Path(output))
    written = [Path(path) for path in (output, draw) if path]
    verifier = Verifier(model, threshold, gpu)
    check_apart(written, [verifier.model.path, *photos])
    rows, failed = [], 0
    with tqdm(desc="embedding", unit="photo", disable=None) as bar:
        for found in faces_on(photos, verifier, selection):
            bar.update()
            if isinstance(found, FaceSimError):
                failed += not isinstance(found, NoFaceError)
                tell(bar, found)
            else:
                rows += found
    if not rows:
        raise FaceSimError(f"no face was found in {', '.join(photos)}: there is nothing to group.")
    if threshold is None:
        threshold = threshold_for(verifier.model.info, len(rows))
    check_apart(written, (row.photo for row in rows))  # those of a gallery
    groups = [[rows[i] for i in group] for group in group_faces(np.stack([row.embedding for row in rows]), threshold)]
    if output:
        with write_whole(Path(output)) as scratch, open(scratch, "w", **ENCODING) as file:
            writer = csv.writer(file)
            writer.writerow(("group", "photo", "box", "name"))
            for number, group in enumerate(groups, 1):
                writer.writerows((number, row.photo, box_text(row.box), row.name) for row in group)
    if draw:
        save_picture(draw_groups(groups), Path(draw))
    several = [group for group in groups if len(group) > 1]
    if as_json:
        for number, group in enumerate(groups, 1):
            members = [{"photo": row.photo, "box": row.box._asdict(), "name": row.name} for row in group]
            click.echo(json.dumps({"group": number, "faces": members}))
    else:
        alone = pluralise(len(groups) - len(several), "face")
        click.echo(f"{pluralise(len(rows), 'face')}: {pluralise(len(several), 'group')}, and {alone} alone.")
        for number, group in enumerate(several, 1):
            shown = ", ".join(printable(row.photo) for row in group[:3])
            click.echo(f"{number:>6}  {len(group):>6} faces  {shown}{', …' if len(group) > 3 else ''}")
    return 2 if failed else 0
