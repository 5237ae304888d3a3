"""`facesim forget`: remove faces from a gallery, and from the disk."""

import click

from facesim.cli import HELP, Command
from facesim.cli.gallery_options import GALLERY
from facesim.text import pluralise, printable


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("name", required=False)
@click.option("--photo", type=click.Path(), help="Remove all faces of this photo, whether it is still there or not.")
@click.option("--unnamed", is_flag=True, help="Remove all faces without a name.")
@click.option("--all", "everything", is_flag=True, help="Remove all that GALLERY holds.")
def forget(address, name, photo, unnamed, everything):
    """Remove the person called NAME from GALLERY for good, or other faces: embeddings are biometric data.

    What facesim embed has added of the same faces goes with the person. Other photos of the person, embedded without
    a name, stay: facesim search finds them, and --photo removes them.

    The gallery is written again without the faces, and its older versions are deleted, so that no file of it holds them
    any more; your backups may. It takes a while where the gallery is large, and nobody else can write to it meanwhile.
    Photos are left alone. Where it was interrupted, call it again, even though nobody has the name any more. At an
    object store's address, make sure that nobody writes at the same time.

    Nothing is asked. Exit status: 0 done, 2 trouble (there was nothing to remove).
    """
    if sum((name is not None, photo is not None, unnamed, everything)) != 1:
        raise click.UsageError("say what to forget: NAME, --photo, --unnamed or --all, one of them.")

    from facesim.gallery.forget import forget, forget_all, forget_photo, forget_unnamed
    from facesim.gallery.rows import check_name
    from facesim.gallery.store import open_gallery

    if name is not None:
        name = check_name(name)
    gallery = open_gallery(address)
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
