"""`facesim search`: find the faces of a gallery that are nearest to one."""

import json

import click

from facesim.cli import verb
from facesim.cli.messages import note_several_faces
from facesim.cli.options import GALLERY, GPU, JSON_LINES, MODEL, nearest_option
from facesim.detector.box import box_text
from facesim.text import printable


@verb()
@GALLERY
@click.argument("photo", type=click.Path())
@nearest_option(10_000)
@MODEL
@GPU
@JSON_LINES
def search(address, photo, k, model, gpu, as_json):
    """Find the faces in GALLERY, named or not, that are nearest to PHOTO's main face.

    facesim search GALLERY who.jpg -k 20

    The verdict is the one that facesim predict gives on two photos. It is not meant for searches: among a few hundred
    strangers, one is usually called the same.
    """
    from facesim.gallery.reading import GalleryReader, check_gallery
    from facesim.photo_file import check_file

    check_gallery(address)
    check_file(photo)
    from facesim.model import Model
    from facesim.verifier import Verifier

    verifier = Verifier(Model(model, gpu, quick=True))
    embedded = verifier.embed_faces(photo)
    gallery = GalleryReader(address, verifier.model)
    note_several_faces(embedded.faces[0])
    if not as_json:
        click.echo(f"distance  verdict    {'name':<24}  {'face (x,y,w,h)':<19}  photo")
    for match in gallery.nearest(embedded.embeddings[0], k):
        if as_json:
            click.echo(json.dumps(match.as_dict(verifier.threshold)))
        else:
            name, box = printable(match.name or "–"), box_text(match.box)
            word = "same" if match.distance < verifier.threshold else "different"
            click.echo(f"{match.distance:<8.4f}  {word:<9}  {name:<24}  {box:<19}  {printable(match.photo)}")
