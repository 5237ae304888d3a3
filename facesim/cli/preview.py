"""`facesim preview`: see the crops that training reads, and what augmentation makes of them."""

from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.options import SEED, checked_data, draw_option
from facesim.files import check_apart, check_picture_path, save_picture


@verb()
@click.argument("data", nargs=-1, required=True, callback=checked_data)
@click.option("--photos", type=click.IntRange(1, 100), default=8, show_default=True, help="How many, a row for each.")
@SEED
@click.option("--augmentation", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="How strong it is.")
@draw_option("The picture.  [default: DATA-preview.png]", former=["--output"])
def preview(data, photos, seed, augmentation, draw):
    """Draw the crops that the network reads in training, and beside each nine augmented ones.

    \b
    facesim preview lfw --photos 20
    facesim preview photos --augmentation 0.5

    DATA is lfw, pins, or a folder with a sub-folder of photos per identity. Photos on an exclusion list, and those
    without a face, are skipped.
    """
    if draw:
        check_picture_path(draw)
    from facesim.data.source import open_source

    source = open_source(data)
    draw = draw or Path(f"{source.dataset.name}-preview.png")
    check_picture_path(draw)
    check_apart([draw], source.dataset.paths())
    from facesim.training.preview import draw_preview

    save_picture(draw_preview(source.dataset, source.selected, photos, seed, augmentation), draw)
    click.echo(f"drawn  {draw}")
