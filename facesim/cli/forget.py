"""`facesim forget`: remove faces from a gallery, and from the disk."""

import click

from facesim.cli import verb
from facesim.cli.options import GALLERY
from facesim.text import pluralise, printable


@verb(status="0 success, 2 trouble (there was nothing to remove).")
@GALLERY
@click.argument("name", required=False)
@click.option("--photo", type=click.Path(), help="Remove all faces of this photo, which need not exist any more.")
@click.option("--unnamed", is_flag=True, help="Remove all faces without a name.")
@click.option("--all", "everything", is_flag=True, help="Remove everything in GALLERY.")
def forget(address, name, photo, unnamed, everything):
    """Remove the person called NAME, or other faces, from GALLERY for good: embeddings are biometric data.

    \b
    facesim forget GALLERY "Ana Li"
    facesim forget GALLERY --photo ana.jpg

    If facesim embed has added the same faces without a name, these are removed, too. Other photos of the person,
    embedded without a name, stay: facesim search finds them, and --photo removes them.

    The gallery is rewritten without the faces, and its older versions are deleted, so that no file of it holds them any
    more; your backups may. This takes a while if the gallery is large, and nobody else can write to it meanwhile.
    Photos are not touched. If it was interrupted, run it again, even if nobody has the name any more. If the gallery is
    in an object store, make sure that nobody else writes to it.

    It does not ask for confirmation.
    """
    if sum((name is not None, photo is not None, unnamed, everything)) != 1:
        raise click.UsageError("say what to forget: NAME, --photo, --unnamed or --all, one of them.")

    from facesim.gallery.rows import check_name
    from facesim.gallery.store import open_gallery

    if name is not None:
        name = check_name(name)
    gallery = open_gallery(address)
    from facesim.gallery.forget import forget, forget_all, forget_photo, forget_unnamed

    if name is not None:
        what, removed = name, forget(gallery, name)
    elif photo is not None:
        what, removed = printable(photo), forget_photo(gallery, photo)
    elif unnamed:
        what, removed = "those without a name", forget_unnamed(gallery)
    else:
        what, removed = f"everything in {printable(address)}", forget_all(gallery)
    faces, photos = pluralise(removed.face_count, "face"), pluralise(removed.photo_count, "photo")
    click.echo(f"forgot {what}, with {faces} of {photos}.")
