"""`facesim search`: find the faces of a gallery that are nearest to one."""

import json

import click

from facesim.cli import GPU, HELP, MODEL, Command, say_which_face
from facesim.cli.gallery_options import GALLERY, JSON
from facesim.detector.selection import box_text
from facesim.text import printable


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("photo", type=click.Path())
@click.option("-k", type=click.IntRange(1, 10_000), default=5, show_default=True, help="How many.")
@MODEL
@GPU
@JSON
def search(address, photo, k, model, gpu, as_json):
    """Find the faces in GALLERY, with a name or without, that are nearest to PHOTO's main face.

    The verdict is the one on two photos: of a few hundred strangers, one is mostly called the same.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.gallery.store import open_gallery
    from facesim.verifier import Verifier

    verifier = Verifier(model, gpu=gpu)
    gallery = open_gallery(address, verifier.model)
    embedded = verifier.embed_faces(photo)
    say_which_face(embedded.faces[0])
    if not as_json:
        click.echo(f"distance  verdict    {'name':<24}  {'face (x,y,w,h)':<19}  photo")
    for match in gallery.nearest(embedded.embeddings[0], k):
        same = match.distance < verifier.threshold
        if as_json:
            found = {"distance": match.distance, "same": same, "name": match.name, "photo": match.photo}
            click.echo(json.dumps(found | {"box": match.box._asdict()}))
        else:
            name, box = printable(match.name or "–"), box_text(match.box)
            word = "same" if same else "different"
            click.echo(f"{match.distance:<8.4f}  {word:<9}  {name:<24}  {box:<19}  {printable(match.photo)}")
