"""`facesim inspect`: see what a data set holds, before training on it."""

import json
from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.options import FILE, JSON, checked_data, draw_option
from facesim.files import check_apart, check_picture_path, save_picture


@verb()
@click.argument("data", nargs=-1, required=True, callback=checked_data)
@JSON
@draw_option("The picture.  [default: DATA-inspected.png]")
@click.option("--fix", is_flag=True, help="List the photos that training should skip; no photo is changed.")
@click.option("--exclusions", type=FILE, metavar="FILE", help="With --fix: where to write that list.")
def inspect(data, as_json, draw, fix, exclusions):
    """Report what is in a data set, and draw it, before training on it.

    \b
    facesim inspect photos          photos/NAME/*.jpg
    facesim inspect lfw pins        two data sets as one
    facesim inspect photos --fix    also list what training should skip

    DATA is lfw, pins, or a folder with a sub-folder of photos per identity. The folder that holds a photo names who is
    on it, however deep it is; folders of one name are one person. Photos directly in DATA, hidden files and folders,
    thumbnails, and links to folders are skipped, and counted on stderr.

    Counts photos and identities, and finds photos that cannot be opened, photos with no face or several, copies, and
    above all copies under two names. --fix lists photos without a face, all but one of the copies under one name, and
    all copies under several names. The lists are called facesim-exclude.txt, in each data set's own folder, where
    training finds them. A list written elsewhere is read with facesim train --exclude FILE.
    """
    if exclusions and not fix:
        raise click.UsageError("--exclusions says where --fix writes its list: give both.")
    if draw:
        check_picture_path(draw)
    from facesim.data.source import open_source

    source = open_source(data)
    draw = draw or Path(f"{source.dataset.name}-inspected.png")
    check_picture_path(draw)
    check_apart([draw, *([exclusions] if exclusions else [])], source.dataset.paths())
    from facesim.data.inspection import exclude_findings, inspect_dataset
    from facesim.data.inspection_text import as_dict, as_text

    inspection = inspect_dataset(source.dataset, source.crops())
    from facesim.data.inspection_picture import draw_inspection

    save_picture(draw_inspection(inspection), draw)
    lists = exclude_findings(inspection, source.parts, exclusions) if fix else []
    excluded = int((~source.selected).sum())
    if as_json:
        files = {"excluded_before": excluded, "picture": str(draw), "exclusion_lists": [str(path) for path in lists]}
        click.echo(json.dumps(as_dict(inspection) | files))
        return
    count = len(inspection.to_exclude())
    click.echo(f"{as_text(inspection)}\n")
    click.echo(f"excluded so far       {excluded:,}")
    if fix:
        click.echo(f"excluded from now on  {count:,}, listed in {', '.join(map(str, lists))}")
    else:
        click.echo(f"--fix would exclude   {count:,}")
    click.echo(f"drawn                 {draw}")
