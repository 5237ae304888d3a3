"""`facesim predict`: compare two photos."""

import dataclasses
import json
from pathlib import Path

import click

from facesim import Verifier
from facesim.cli import HELP, Command, say_which_face
from facesim.files import save_picture


@click.command(cls=Command, context_settings=HELP)
@click.argument("photos", nargs=-1, type=click.Path())
@click.option("-img1", "--image-path-1", "photo1", type=click.Path(), help="The first photo.")
@click.option("-img2", "--image-path-2", "photo2", type=click.Path(), help="The second photo.")
@click.option("-w", "--weight-path", "model", type=click.Path(), help="A model file, instead of the one that ships.")
@click.option("-t", "--threshold", type=float, help="Same below this distance, instead of the model's threshold.")
@click.option("-g", "--gpu", type=int, default=-1, show_default=True, help="Number of the GPU; -1 for the CPU.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.option("--show", type=click.Path(dir_okay=False), help="Draw photos, boxes, crops and verdict to this file.")
def predict(photos, photo1, photo2, model, threshold, gpu, as_json, show):
    """Say whether two photos show the same person.

    Give the photos as -img1 A -img2 B, or just A B. In each, the main face counts. The probability holds where half
    of all pairs compared show one person.

    Exit status: 0 same, 1 different, 2 trouble (a photo that cannot be read, or shows no face).
    """
    named = [photo for photo in (photo1, photo2) if photo is not None]
    if len(named) + len(photos) != 2 or len(named) == 1:
        raise click.UsageError("give two photos, as -img1 A -img2 B or as A B (facesim predict --help).")
    verdict = Verifier(model, threshold, gpu).verify(*(named or photos))
    if show:
        from facesim.picture import draw_verdict

        save_picture(draw_verdict(verdict), Path(show))
    for face in (verdict.face1, verdict.face2):
        say_which_face(face)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(verdict) | _boxes(verdict)))
    else:
        _print(verdict)
    return 0 if verdict.same else 1


def _boxes(verdict) -> dict:
    return {
        name: dataclasses.asdict(face) | {"box": face.box._asdict()}
        for name, face in (("face1", verdict.face1), ("face2", verdict.face2))
    }


def _print(verdict) -> None:
    click.echo("Same person." if verdict.same else "Different people.")
    click.echo(f"distance     {verdict.distance:.4f}")
    click.echo(f"threshold    {verdict.threshold:.4f}")
    click.echo(f"probability  {verdict.probability_text} that it is one person")
