"""`facesim map`: see which faces a model finds similar."""

import json
from pathlib import Path

import click

from facesim.cli import HELP, MODEL, Command
from facesim.errors import FaceSimError
from facesim.files import check_apart, check_writable, save_picture, write_whole
from facesim.text import printable


@click.command("map", cls=Command, context_settings=HELP)
@click.argument("photos")
@MODEL
@click.option("--method", type=click.Choice(("pca", "tsne")), default="pca", show_default=True, help="How to lay out.")
@click.option("--photos", "count", type=click.IntRange(3), default=2000, show_default=True, help="Shown at most.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Which are shown.")
@click.option("--output", type=click.Path(), help="The page, instead of PHOTOS-map.html in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print all points, as JSON.")
def draw_map(photos, model, method, count, seed, output, as_json):
    """Map photos in two dimensions, so that faces that the model finds similar lie together.

    PHOTOS is lfw, pins, or a folder of photos; those in a sub-folder show the identity of its name.

    Writes a page that shows each face as one points at it, and a picture beside it. PCA says how much of the variance
    the map holds; t-SNE draws clusters apart, but the distances between them mean little.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.data.cache import cached_crops
    from facesim.data.source import find_photos
    from facesim.evaluation.explore.map import map_photos
    from facesim.evaluation.explore.map_page import draw_page
    from facesim.evaluation.explore.map_picture import draw_map
    from facesim.evaluation.explore.map_text import as_dict, describe
    from facesim.model import Model

    opened = Model(model)
    dataset = find_photos(photos)
    page = Path(output or f"{dataset.name}-map.html")
    if page.suffix.lower() not in (".html", ".htm"):
        raise FaceSimError(f"{page}: the page is written as .html, and the picture beside it as .png.")
    picture = page.with_suffix(".png")
    for path in (page, picture):
        check_writable(path)
    check_apart([page, picture], [opened.path, *dataset.paths()])
    photo_map = map_photos(dataset, cached_crops(dataset), opened, method, count, seed)
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
