"""`facesim preview`: see the crops that training reads, and what augmentation makes of them."""

from pathlib import Path

import click

from facesim.cli import HELP, Command
from facesim.files import check_apart, check_picture_path, save_picture


@click.command(cls=Command, context_settings=HELP)
@click.argument("data", nargs=-1, required=True)
@click.option("--photos", type=click.IntRange(1, 100), default=8, show_default=True, help="How many: a row each.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Which photos are drawn.")
@click.option(
    "--augmentation", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="How strongly crops change."
)
@click.option("--output", type=click.Path(), help="The picture, instead of DATA-preview.png in this folder.")
def preview(data, photos, seed, augmentation, output):
    """Draw crops of some people as the network gets them, and beside each nine augmented ones.

    DATA is lfw, pins, or a folder with a sub-folder of photos per identity. Photos on an exclusion list, and those
    without a face, are passed over.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.data.source import open_source
    from facesim.training.preview import draw_preview

    source = open_source(data)
    picture = Path(output or f"{source.dataset.name}-preview.png")
    check_picture_path(picture)
    check_apart([picture], source.dataset.paths())
    save_picture(draw_preview(source.dataset, source.selected, photos, seed, augmentation), picture)
    click.echo(f"drawn  {picture}")
