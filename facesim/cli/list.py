"""`facesim list`: who is in a gallery."""

import json

import click

from facesim.cli import HELP, Command
from facesim.cli.gallery_options import GALLERY, JSON


@click.command("list", cls=Command, context_settings=HELP)
@GALLERY
@JSON
def list_people(address, as_json):
    """Say who is enrolled in GALLERY, and with how many faces each.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.gallery.store import open_gallery

    for name, faces in open_gallery(address).names().items():
        click.echo(json.dumps({"name": name, "faces": faces}) if as_json else f"{faces:>6}  {name}")
