"""`facesim neighbours`: find the photos nearest to one."""

import json
from pathlib import Path

import click

from facesim.cli import HELP, MODEL, Command, say_which_face
from facesim.files import check_apart, check_picture_path, save_picture
from facesim.text import printable


@click.command(cls=Command, context_settings=HELP)
@click.argument("query", type=click.Path())
@click.argument("photos")
@click.option("-k", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many neighbours.")
@MODEL
@click.option("--identity", default="", help="Who is on QUERY, where it is none of PHOTOS.")
@click.option("--draw", type=click.Path(), default="neighbours.png", show_default=True, help="Where to draw them.")
@click.option("--json", "as_json", is_flag=True, help="Print the neighbours as JSON.")
def neighbours(query, photos, k, model, identity, draw, as_json):
    """Find the photos whose faces are nearest to QUERY's main face, and draw them beside it.

    PHOTOS is lfw, pins, or a folder of photos; those in a sub-folder show the identity of its name. A QUERY that is
    one of PHOTOS is not its own neighbour.

    In the picture a frame is green where the identity is QUERY's, red where it is another's, grey where either is
    unknown. The verdict, same or different, is the model's.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.data.cache import cached_crops
    from facesim.data.dataset import identity_of
    from facesim.data.source import find_photos
    from facesim.detector.selection import find_main_face
    from facesim.evaluation.explore.neighbours import find_neighbours
    from facesim.evaluation.explore.neighbours_picture import draw_neighbours
    from facesim.evaluation.explore.neighbours_text import as_dict, as_text
    from facesim.model import Model
    from facesim.names import Spellings

    picture = Path(draw)
    check_picture_path(picture)
    opened = Model(model)
    face, crop = find_main_face(query)
    say_which_face(face)
    dataset = find_photos(photos)
    check_apart([picture], [query, opened.path, *dataset.paths()])
    identity = Spellings(dataset.identities.tolist()).first(identity_of(identity))
    if identity and identity not in dataset.identities:
        click.echo(f"facesim: nobody in {dataset.name} is called {identity}.", err=True)
    found = find_neighbours(face, crop, dataset, cached_crops(dataset), opened, k, identity)
    save_picture(draw_neighbours(found), picture)
    if as_json:
        click.echo(json.dumps(as_dict(found) | {"model": str(opened.path), "picture": str(picture)}))
        return
    click.echo(f"{as_text(found)}\n")
    click.echo(f"threshold  {found.threshold:.4f}\ndrawn      {printable(str(picture))}")
