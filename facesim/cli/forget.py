"""`facesim forget`: remove a person from a gallery, and from the disk."""

import click

from facesim.cli import HELP, Command
from facesim.cli.gallery_options import GALLERY
from facesim.files import counted


@click.command(cls=Command, context_settings=HELP)
@GALLERY
@click.argument("name")
def forget(address, name):
    """Remove the person called NAME from GALLERY for good: embeddings are biometric data.

    The gallery is written anew without them, and its older versions are deleted, so that no file of it holds them any
    more; your backups may. It takes a while where the gallery is large, and nobody else can write to it meanwhile.
    Photos are left alone. Where it was interrupted, call it again, even though nobody has the name any more. At an
    object store's address, make sure that nobody writes at the same time.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.gallery.rows import check_name
    from facesim.gallery.store import open_gallery

    name = check_name(name)
    faces = open_gallery(address).forget(name)
    click.echo(f"forgot {name}, with {counted(faces, 'face')}.")
