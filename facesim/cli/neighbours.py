"""`facesim neighbours`: find the photos nearest to one."""

import json

import click

from facesim.cli import verb
from facesim.cli.messages import note, note_several_faces
from facesim.cli.options import JSON, MODEL, checked_data, draw_option, nearest_option
from facesim.files import check_apart, check_picture_path, save_picture
from facesim.photo_file import check_file
from facesim.text import printable


@verb()
@click.argument("query", type=click.Path())
@click.argument("photos", callback=checked_data)
@nearest_option(1000)
@MODEL
@click.option("--identity", default="", help="Who is on QUERY, if it is not one of PHOTOS.")
@draw_option("Draw them beside QUERY.", default="neighbours.png")
@JSON
def neighbours(query, photos, k, model, identity, draw, as_json):
    """Find the photos whose faces are nearest to QUERY's main face, and draw them beside it.

    \b
    facesim neighbours who.jpg photos -k 10
    facesim neighbours who.jpg lfw --identity "Ana Li"

    PHOTOS is lfw, pins, or a folder of photos; a sub-folder's name is the identity on its photos. A QUERY that is one
    of PHOTOS is not its own neighbour.

    In the picture a green frame means the same identity, red another, and grey that one of them is unknown. The
    verdict, same or different, is the model's.
    """
    check_picture_path(draw)
    check_file(query)
    from facesim.data.cache import cached_crops
    from facesim.data.dataset import identity_of
    from facesim.data.source import find_photos
    from facesim.detector.selection import find_main_face
    from facesim.evaluation.explore.neighbours import find_neighbours
    from facesim.evaluation.explore.neighbours_picture import draw_neighbours
    from facesim.evaluation.explore.neighbours_text import as_dict, as_text
    from facesim.model import Model
    from facesim.names import Spellings

    opened = Model(model)
    face, crop = find_main_face(query)
    note_several_faces(face)
    dataset = find_photos(photos)
    check_apart([draw], [query, opened.path, *dataset.paths()])
    identity = Spellings(dataset.identities.tolist()).first(identity_of(identity))
    if identity and identity not in dataset.identities:
        note(f"nobody in {dataset.name} is called {identity}.")
    found = find_neighbours(face, crop, dataset, cached_crops(dataset), opened, k, identity)
    save_picture(draw_neighbours(found), draw)
    if as_json:
        click.echo(json.dumps(as_dict(found) | {"model": str(opened.path), "picture": str(draw)}))
        return
    click.echo(f"{as_text(found)}\n")
    click.echo(f"threshold  {found.threshold:.4f}\ndrawn      {printable(str(draw))}")
