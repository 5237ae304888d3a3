"""`facesim map`: see which faces a model finds similar."""

import json
from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.options import JSON, MODEL, SEED, checked_data, output_option
from facesim.errors import FaceSimError
from facesim.files import check_apart, check_writable, save_picture, write_whole
from facesim.text import printable


@verb("map")
@click.argument("photos", callback=checked_data)
@MODEL
@click.option("--method", type=click.Choice(("pca", "tsne")), default="pca", show_default=True, help="The projection.")
@click.option("--photos", "count", type=click.IntRange(3), default=2000, show_default=True, help="How many, at most.")
@SEED
@output_option("The page; a picture is written beside it.  [default: PHOTOS-map.html]")
@JSON
def draw_map(photos, model, method, count, seed, output, as_json):
    """Map photos in two dimensions, so that faces that the model finds similar lie together.

    \b
    facesim map photos
    facesim map lfw --method tsne --photos 500

    PHOTOS is lfw, pins, or a folder of photos; a sub-folder's name is the identity on its photos.

    Writes a page, on which you point at a face to see it, and a picture beside it. PCA states how much of the variance
    the map shows; t-SNE draws clusters apart, but the distances between them mean little.
    """
    from facesim.data.source import find_photos

    dataset = find_photos(photos)
    page = output or Path(f"{dataset.name}-map.html")
    if page.suffix.lower() not in (".html", ".htm"):
        raise FaceSimError(f"{page}: the page is written as .html, and the picture beside it as .png.")
    picture = page.with_suffix(".png")
    for path in (page, picture):
        check_writable(path)
    from facesim.evaluation.explore.map import map_photos
    from facesim.model import Model

    opened = Model(model)
    check_apart([page, picture], [opened.path, *dataset.paths()])
    photo_map = map_photos(dataset, opened, method, count, seed)
    from facesim.evaluation.explore.map_page import draw_page
    from facesim.evaluation.explore.map_picture import draw_map
    from facesim.evaluation.explore.map_text import as_dict, describe

    save_picture(draw_map(photo_map), picture)
    with write_whole(page) as scratch:
        scratch.write_text(draw_page(photo_map), "utf-8")
    if as_json:
        about = {"model": str(opened.path), "seed": seed, "page": str(page), "picture": str(picture)}
        click.echo(json.dumps(as_dict(photo_map) | about))
        return
    for sentence in describe(photo_map):
        click.echo(sentence)
    click.echo(f"\npage     {printable(str(page))}\npicture  {printable(str(picture))}")
