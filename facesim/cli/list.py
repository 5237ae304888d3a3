"""`facesim list`: who is in a gallery, or how much."""

import dataclasses
import json

import click

from facesim.cli import verb
from facesim.cli.options import GALLERY, JSON_LINES
from facesim.text import pluralise, printable


@verb("list")
@GALLERY
@click.option("--totals", is_flag=True, help="Show the size of the gallery and its model instead.")
@JSON_LINES
def list_people(address, totals, as_json):
    """List who is enrolled in GALLERY, with how many faces each.

    \b
    facesim list GALLERY             a line per person
    facesim list GALLERY --totals    how many people, faces, photos and bytes, and by which model
    """
    from facesim.gallery.store import open_gallery

    gallery = open_gallery(address)
    if not totals:
        for name, faces in gallery.names().items():
            click.echo(json.dumps({"name": name, "faces": faces}) if as_json else f"{faces:>6}  {name}")
        return
    stats = gallery.stats()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(stats)))
        return
    click.echo(f"gallery        {printable(address)}, {stats.bytes / 1e6:,.1f} MB")
    click.echo(f"people         {stats.names:,}, with {pluralise(stats.named, 'face')}")
    click.echo(f"without name   {pluralise(stats.faces - stats.named, 'face')}")
    click.echo(f"photos         {stats.photos:,}, of which {stats.without_face:,} gave no face")
    click.echo(f"search         {'by an index' if stats.indexed else 'exact, one by one'}")
    click.echo(f"model          {stats.model[:12]}, embeddings of {stats.embedding_size} numbers")
