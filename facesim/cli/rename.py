"""`facesim rename`: give a person in a gallery another name."""

import click

from facesim.cli import HELP, Command
from facesim.cli.gallery_options import GALLERY
from facesim.text import pluralise


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("name")
@click.argument("new_name")
@click.option("--merge", is_flag=True, help="Let them be one person with whoever has the new name already.")
def rename(address, name, new_name, merge):
    """Give the person called NAME in GALLERY the name NEW_NAME.

    Enrolling the same photos again, under NAME, leaves them under NEW_NAME.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.gallery.rows import check_name
    from facesim.gallery.store import open_gallery

    name, new_name = check_name(name), check_name(new_name)
    faces = open_gallery(address).rename(name, new_name, merge)
    click.echo(f"{name} is {new_name} now, with {pluralise(faces, 'face')}.")
