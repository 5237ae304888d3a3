"""`facesim list`: who is in a gallery, and how large it is."""

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
    from facesim.gallery.reading import GalleryReader

    gallery = GalleryReader(address)
    if not totals:
        for name, count in gallery.names().items():
            click.echo(json.dumps({"name": name, "faces": count}) if as_json else f"{count:>6}  {name}")
        return
    stats = gallery.stats()
    if as_json:
        click.echo(json.dumps(stats.as_dict()))
        return
    click.echo(f"gallery        {printable(address)}, {stats.bytes / 1e6:,.1f} MB")
    click.echo(f"people         {stats.name_count:,}, with {pluralise(stats.named_count, 'face')}")
    click.echo(f"without name   {pluralise(stats.face_count - stats.named_count, 'face')}")
    click.echo(f"photos         {stats.photo_count:,}, of which {stats.without_face:,} gave no face")
    click.echo(f"search         {'by an index' if stats.indexed else 'exact, one by one'}")
    click.echo(f"model          {stats.model[:12]}, embeddings of {stats.embedding_size} numbers")
