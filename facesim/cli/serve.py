"""`facesim serve`: a page and an API, on this machine."""

import click

from facesim.cli import verb
from facesim.cli.options import GPU, MODEL, threshold_option


@verb(status="0 once it is stopped, 2 trouble.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any free one.")
@MODEL
@threshold_option()
@GPU
def serve(port, model, threshold, gpu):
    """Serve a page to compare photos, and an API."""
    from facesim.serve.app import make_app
    from facesim.serve.server import address_of, listen, make_server
    from facesim.verifier import Verifier

    bound = listen("127.0.0.1", port)
    server = make_server(make_app(Verifier(model, threshold, gpu)))
    click.echo(f"facesim: {address_of(bound)} (stop it with Ctrl+C)", err=True)
    server.run([bound])
