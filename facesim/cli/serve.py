"""`facesim serve`: a page and an API, on this machine."""

import click

from facesim.cli import verb
from facesim.cli.messages import note
from facesim.cli.options import FILE, GPU, MODEL, check_one_threshold, threshold_option


@verb(status="0 once it is stopped, 2 trouble.")
@click.option("--gallery", "address", metavar="GALLERY", help="A gallery, to say who is on a photo.")
@click.option("--write", is_flag=True, help="With --gallery: allow to enrol, rename and forget people.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen. Others than this need a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free one.")
@click.option("--token", help="What every request needs. Others on this machine can see it: prefer --token-file.")
@click.option("--token-file", type=FILE, metavar="FILE", help="A file with the token, which only you can read.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.option("--log", is_flag=True, help="Print a line for each answer, without names and addresses.")
@MODEL
@threshold_option()
@click.option("--fmr", type=float, help="Use the operating point that the model file stores for this FMR: 0.001, say.")
@GPU
def serve(address, write, host, port, token, token_file, open_page, log, model, threshold, fmr, gpu):
    """Serve a page that compares photos, and an API for programs, on this machine.

    \b
    facesim serve                                       open http://127.0.0.1:8765/ in a browser
    facesim serve --gallery people                      also say who is on a photo
    facesim serve --gallery people --write              also enrol, rename and forget people
    facesim serve --host 0.0.0.0 --token-file token     for other machines, which need the token

    Only this machine can reach it, unless --host says otherwise. Photos stay in memory while they are compared, and are
    written nowhere. With --write, the embeddings of enrolled faces are kept, but no photo. Nothing is encrypted: for
    other machines, put a proxy with TLS before it.

    The API is described at /docs. Ctrl+C stops the server; requests that run are answered first.
    """
    if write and not address:
        raise click.UsageError("--write changes a gallery: name it with --gallery.")
    if token is not None and token_file:
        raise click.UsageError("--token and --token-file are two ways to say the same: give one of them.")
    check_one_threshold(threshold, fmr)
    from facesim.serve.token import check_token, token_in

    if token_file:
        token = token_in(token_file)
    check_token(host, token)
    if address:
        from facesim.gallery.reading import check_gallery, check_new_gallery

        (check_new_gallery if write else check_gallery)(address)
    from facesim.serve.server import serve
    from facesim.verifier import Verifier

    verifier, gallery = Verifier(model, threshold, gpu, fmr), None
    if address:
        from facesim.gallery.reading import GalleryReader, is_gallery
        from facesim.gallery.store import open_or_create_gallery

        if write and not is_gallery(address):
            open_or_create_gallery(address, verifier.model)
        gallery = GalleryReader(address, verifier.model)

    def on_start(where):
        note(f"{where} (Ctrl+C stops it)")
        if open_page:
            click.launch(where)

    serve(verifier, host, port, gallery, write, token, note if log else None, on_start)
