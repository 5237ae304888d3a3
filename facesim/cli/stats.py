"""`facesim stats`: what a gallery holds."""

import dataclasses
import json

import click

from facesim.cli import HELP, Command
from facesim.cli.gallery_options import GALLERY
from facesim.text import pluralise, printable


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(address, as_json):
    """Say what GALLERY holds, how large it is, and by which model it was made.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.gallery.store import open_gallery

    held = open_gallery(address).stats()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(held)))
        return
    click.echo(f"gallery        {printable(address)}, {held.bytes / 1e6:,.1f} MB")
    click.echo(f"people         {held.names:,}, with {pluralise(held.named, 'face')}")
    click.echo(f"without name   {pluralise(held.faces - held.named, 'face')}")
    click.echo(f"photos         {held.photos:,}, of which {held.without_face:,} gave no face")
    click.echo(f"search         {'by an index' if held.indexed else 'exact, one by one'}")
    click.echo(f"model          {held.model[:12]}, embeddings of {held.embedding_size} numbers")
