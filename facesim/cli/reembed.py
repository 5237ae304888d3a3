"""`facesim reembed`: rebuild a gallery with another model."""

import click

from facesim.cli import verb
from facesim.cli.messages import note
from facesim.cli.options import GALLERY, GPU, MODEL
from facesim.text import pluralise, printable


@verb()
@GALLERY
@MODEL
@GPU
@click.option("--drop-missing", is_flag=True, help="Leave out faces whose photos have gone or changed.")
def reembed(address, model, gpu, drop_missing):
    """Rebuild GALLERY with another model: embed all faces again, from their photos. Names and boxes stay.

    facesim reembed GALLERY -w new.onnx

    The gallery stays as it was until the last face is embedded. An interrupted run continues where it stopped. If a
    photo has gone or changed, nothing is done, unless --drop-missing leaves its faces out.
    """
    from facesim.gallery.reading import check_gallery

    check_gallery(address)
    from tqdm import tqdm

    from facesim.gallery.reembed import reembed as reembed_faces
    from facesim.gallery.store import open_gallery
    from facesim.model import Model

    opened, gallery, dropped = Model(model, gpu), open_gallery(address), 0
    with tqdm(total=gallery.count_rows(), desc="embedding again", unit="face", disable=None) as bar:
        for error in reembed_faces(gallery, opened, drop_missing):
            bar.update()
            if error:
                dropped += 1
                note(error, bar)
    left_out = f"; {pluralise(dropped, 'face')} left out" if dropped else ""
    click.echo(f"{printable(address)} is of model {gallery.fingerprint[:12]} now{left_out}.")
