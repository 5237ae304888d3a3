"""`facesim inspect`: see what a data set holds, before training on it."""

import json
from pathlib import Path

import click

from facesim.cli import HELP, Command
from facesim.files import check_apart, check_picture_path, save_picture


@click.command(cls=Command, context_settings=HELP)
@click.argument("data", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print everything found, as JSON.")
@click.option("--draw", type=click.Path(), help="Where to draw it, instead of DATA-inspected.png in this folder.")
@click.option("--fix", is_flag=True, help="List the photos that training had better pass over; no photo is touched.")
@click.option("--exclusions", type=click.Path(), help="With --fix: where to write that list.")
def inspect(data, as_json, draw, fix, exclusions):
    """Say and draw what data sets hold, before training on them.

    DATA is lfw, pins, or a folder with a sub-folder of photos per identity; several are inspected as one. The folder
    that holds a photo names who is on it, however deep; folders of one name are one person. Photos in DATA itself,
    hidden files and folders, thumbnails, and links to folders are passed over, and counted on stderr.

    Counts photos and identities, and finds photos that cannot be opened, that show no face or several, that are the
    same photo, and above all the same photo under two names. --fix lists photos without a face, all but one of the
    copies under one name, and all of those under several, in each data set's own folder as facesim-exclude.txt, which
    training reads by itself. A list written elsewhere is read with facesim train --exclude FILE.

    Exit status: 0 done, 2 trouble.
    """
    if exclusions and not fix:
        raise click.UsageError("--exclusions says where --fix writes its list: give both.")
    from facesim.data.inspection import exclude_findings, inspect_dataset
    from facesim.data.inspection_picture import draw_inspection
    from facesim.data.inspection_text import as_dict, as_text
    from facesim.data.source import open_source

    source = open_source(data)
    picture = Path(draw or f"{source.dataset.name}-inspected.png")
    check_picture_path(picture)
    check_apart([picture, *([Path(exclusions)] if exclusions else [])], source.dataset.paths())
    inspection = inspect_dataset(source.dataset, source.crops())
    save_picture(draw_inspection(inspection), picture)
    lists = exclude_findings(inspection, source.parts, Path(exclusions) if exclusions else None) if fix else []
    excluded = int((~source.selected).sum())
    if as_json:
        files = {"excluded_before": excluded, "picture": str(picture), "exclusion_lists": [str(path) for path in lists]}
        click.echo(json.dumps(as_dict(inspection) | files))
        return
    count = len(inspection.to_exclude())
    click.echo(f"{as_text(inspection)}\n")
    click.echo(f"excluded so far       {excluded:,}")
    if fix:
        click.echo(f"excluded from now on  {count:,}, listed in {', '.join(map(str, lists))}")
    else:
        click.echo(f"--fix would exclude   {count:,}")
    click.echo(f"drawn                 {picture}")
