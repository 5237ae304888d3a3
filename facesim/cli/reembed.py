"""`facesim reembed`: make a gallery anew with another model."""

import click

from facesim.cli import GPU, HELP, MODEL, Command
from facesim.cli.gallery_options import GALLERY, tell
from facesim.text import pluralise, printable


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@MODEL
@GPU
@click.option("--drop-missing", is_flag=True, help="Leave out the faces whose photos have gone or changed.")
def reembed(address, model, gpu, drop_missing):
    """Embed all faces in GALLERY again, from their photos, with another model; names and boxes stay.

    Until the last face is done the gallery is as it was. Interrupted, it continues where it stopped. Where a photo has
    gone, or has changed, the gallery stays as it was, unless --drop-missing has its faces left out.

    Exit status: 0 done, 2 trouble.
    """
    from tqdm import tqdm

    from facesim.gallery.reembed import reembed as reembed_faces
    from facesim.gallery.store import open_gallery
    from facesim.model import Model

    gallery, opened = open_gallery(address), Model(model, gpu)
    dropped = 0
    with tqdm(total=gallery.count_rows(), desc="embedding again", unit="face", disable=None) as bar:
        for error in reembed_faces(gallery, opened, drop_missing):
            bar.update()
            if error:
                dropped += 1
                tell(bar, error)
    left_out = f"; {pluralise(dropped, 'face')} left out" if dropped else ""
    click.echo(f"{printable(address)} is of model {gallery.fingerprint[:12]} now{left_out}.")
