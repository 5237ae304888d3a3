"""`facesim cache`: see what facesim keeps on this machine, and clear it."""

import dataclasses
import json

import click

from facesim.cli import verb
from facesim.cli.options import JSON


@verb()
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@click.option("--clear", "clearing", is_flag=True, help="Delete it.")
@JSON
def cache(kinds, clearing, as_json):
    """List what facesim keeps in your cache, or clear it. All of it can be made or downloaded again.

    \b
    facesim cache                  what is kept, how much, and where
    facesim cache --clear          delete all of it
    facesim cache crops --clear    delete one kind

    A KIND is crops (faces cut from data sets), embeddings (of these faces, in a folder for each network, which is named
    for its fingerprint), lfw (the data set, if facesim has downloaded it to your cache) or benchmarks (what facesim's
    benchmarks have installed). A run that still needs a crop cuts it again. Crops and embeddings never take more than
    20 GB, unless one run needs more: those not used for the longest time are deleted.

    Galleries, runs, model files, reports and data sets in the folder that FACESIM_DATA names are your own: they are
    neither listed nor cleared. ImageNet's weights are in PyTorch's cache.
    """
    from facesim.data.kept import KINDS, clear, kept
    from facesim.evaluation.formatting import aligned
    from facesim.text import pluralise, printable

    found = clear(kinds) if clearing else kept(kinds)
    length = sum(one.bytes for one in found)
    if as_json:
        listed = [dataclasses.asdict(one) | {"path": str(one.path)} for one in found]
        click.echo(json.dumps({"cleared": clearing, "bytes": length, "kept": listed}))
        return
    rows = []
    for one in found:
        size = pluralise(one.files, "file"), _megabytes(one.bytes)
        rows.append((one.kind, *size, KINDS[one.kind], printable(str(one.path))))
    for line in aligned(rows):
        click.echo(line)
    click.echo(f"\n{'freed' if clearing else 'in all'} {_megabytes(length)}")
    if not clearing:
        click.echo("Your own galleries, runs and other files are not listed: facesim never deletes them.")


def _megabytes(length: int) -> str:
    return f"{length / 1e6:,.1f} MB"
