"""`facesim stats`: what a gallery holds."""

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
    from facesim.gallery.maintenance import gallery_stats
    from facesim.gallery.store import open_gallery

    held = gallery_stats(open_gallery(address))
    if as_json:
        click.echo(json.dumps(held.as_dict()))
        return
    click.echo(f"gallery        {printable(address)}, {held.bytes / 1e6:,.1f} MB")
    click.echo(f"people         {held.name_count:,}, with {pluralise(held.named_count, 'face')}")
    click.echo(f"without name   {pluralise(held.face_count - held.named_count, 'face')}")
    click.echo(f"photos         {held.photo_count:,}, of which {held.without_face:,} gave no face")
    click.echo(f"search         {'by an index' if held.indexed else 'exact, one by one'}")
    click.echo(f"model          {held.model[:12]}, embeddings of {held.embedding_size} numbers")
