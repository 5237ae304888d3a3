"""`facesim rename`: give a person in a gallery another name."""

import click

from facesim.cli import verb
from facesim.cli.options import GALLERY
from facesim.text import pluralise


@verb()
@GALLERY
@click.argument("name")
@click.argument("new_name")
@click.option("--merge", is_flag=True, help="Make them one person with whoever has the new name already.")
def rename(address, name, new_name, merge):
    """Give the person called NAME in GALLERY the name NEW_NAME.

    facesim rename GALLERY Ana "Ana Li"

    The photos keep NEW_NAME even if they are enrolled again as NAME.
    """
    from facesim.gallery.reading import snapshot_of
    from facesim.gallery.rename import check_renaming
    from facesim.gallery.rename import rename as rename_person
    from facesim.gallery.rows import check_name
    from facesim.gallery.store import open_gallery

    name, new_name = check_name(name), check_name(new_name)
    snapshot = snapshot_of(address)
    if snapshot:
        check_renaming(snapshot, name, new_name, merge)  # without waiting for LanceDB
    faces = rename_person(open_gallery(address), name, new_name, merge)
    click.echo(f"{name} is {new_name} now, with {pluralise(faces, 'face')}.")
