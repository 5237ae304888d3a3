"""`facesim export`: sort the photos of a gallery into a folder per person."""

import json

import click

from facesim.cli import verb
from facesim.cli.messages import note
from facesim.cli.options import FILE, GALLERY, JSON_LINES
from facesim.text import pluralise, printable


@verb(status="0 success, 2 trouble (some photos are not there any more; the others are exported).")
@GALLERY
@click.option("--to", "folder", type=FILE, metavar="FOLDER", required=True, help="The folder for people's folders.")
@click.option("--copy", is_flag=True, help="Copy the photos, instead of linking to them.")
@JSON_LINES
def export(address, folder, copy, as_json):
    """Sort the photos of GALLERY into a folder per person.

    \b
    facesim export GALLERY --to sorted           sorted/NAME/*.jpg, links to the photos
    facesim export GALLERY --to sorted --copy    the same with copies, to give away

    A photo of three people stands in three folders. Faces without a name go nowhere. The photos themselves are not
    touched. Links hold the photos' full paths, so the folder can be moved, but not the photos.

    Run it again, and it adds what is new. It overwrites and deletes nothing: after facesim rename, the folder of the
    old name is still there. Two photos of the same file name both stay. Characters that a folder's name cannot have
    become "_".
    """
    from facesim.gallery.export import export_photos
    from facesim.gallery.reading import GalleryReader

    people, made, before, missing = set(), 0, 0, 0
    for exported in export_photos(GalleryReader(address), folder, copy):
        if as_json:
            click.echo(json.dumps(exported.as_dict()))
        if exported.error:
            missing += 1
            note(exported.error)
            continue
        people.add(exported.name)
        made += exported.is_new
        before += not exported.is_new
    if not as_json:
        kind = ("copy", "copies") if copy else ("link", "links")
        summary = (
            f"{printable(str(folder))}: {pluralise(len(people), 'person', 'people')}, {pluralise(made, *kind)} made"
        )
        summary += f"; {before:,} were there already" if before else ""
        summary += f"; {missing:,} failed" if missing else ""
        click.echo(f"{summary}.")
    return 2 if missing else 0
