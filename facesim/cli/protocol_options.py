"""The options by which a verb is told what pairs to judge a model on."""

from pathlib import Path

import click

_PATH = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--data", multiple=True, help="lfw, pins, or a folder with a sub-folder of photos per identity."),
    click.option("--view", type=click.Choice(("1", "2")), help="The pairs of LFW's View 1 or 2."),
    click.option("--pairs", type=_PATH, help="A CSV file of pairs: photo1,photo2,same (1 or 0)."),
    click.option(
        "--count", type=click.IntRange(1, 1_000_000), help="Pairs drawn of each kind.  [default: LFW's own, or 1000]"
    ),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Which are drawn."),
)


BY = click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Tell errors apart by group: a column of people.csv or of the CSV file of pairs, detector, or prefix.",
)


def with_protocol(command):
    """Give a command the parameters data, view, pairs, count and seed, as `open_protocol` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
