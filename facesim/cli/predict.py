"""`facesim predict`: compare two photos, one with a folder of them, or many pairs."""

import atexit
import gc
import json
import os
from pathlib import Path

import click

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's other threads only cost time here, even while it is loaded

from facesim.cli import GPU, HELP, MODEL, Command, say_which_face
from facesim.detector.box import Box
from facesim.detector.selection import SELECTIONS, box_text
from facesim.files import check_apart, check_picture_path, save_picture
from facesim.model import Model, default_model
from facesim.verifier import Verifier

atexit.register(gc.freeze)  # as it leaves, Python would look through all objects that are left, as long as at a photo


class _BoxType(click.ParamType):
    name = "x,y,w,h"

    def convert(self, value, param, ctx):
        try:
            x, y, width, height = map(int, value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no box: give its left, top, width and height in pixels, as 120,80,64,64.")
        if width <= 0 or height <= 0:
            self.fail(f"{value!r} is no box: it has no width or no height.")
        return Box(x, y, x + width, y + height)


@click.command(cls=Command, context_settings=HELP)
@click.argument("photos", nargs=-1, type=click.Path())
@click.option("-img1", "--image-path-1", "photo1", type=click.Path(), help="The first photo.")
@click.option("-img2", "--image-path-2", "photo2", type=click.Path(), help="The second photo, or a folder of them.")
@click.option("--pairs", type=click.Path(), help="A CSV file with the columns photo1 and photo2; - for stdin.")
@click.option("-o", "--output", type=click.Path(), help="With --pairs: where to write, instead of stdout.")
@click.option(
    "--resume", is_flag=True, help="With --output: continue what an interrupted run with the same settings wrote."
)
@click.option(
    "--faces",
    "selection",
    type=click.Choice(SELECTIONS),
    default="largest",
    show_default=True,
    help="Which face counts.",
)
@click.option("-box1", "box1", type=_BoxType(), help="Where the face meant in the first photo is, in pixels.")
@click.option("-box2", "box2", type=_BoxType(), help="The same in the second photo.")
@MODEL
@click.option(
    "-t", "--threshold", type=float, help="Same below this distance (0 to 2), instead of the model's threshold."
)
@GPU
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON; of many, a line each.")
@click.option("--show", type=click.Path(dir_okay=False), help="Draw photos, boxes, crops and verdict to this file.")
def predict(photos, photo1, photo2, pairs, output, resume, selection, box1, box2, model, threshold, gpu, as_json, show):
    """Say whether two photos show the same person.

    \b
    facesim predict -img1 A -img2 B       two photos; or just A B
    facesim predict -img1 A -img2 FOLDER  one photo with each in a folder, nearest first
    facesim predict --pairs pairs.csv     many pairs, a row each, as CSV (or --json lines)

    In each photo the largest face counts, or the one nearest to the middle. With --faces all, the closest pair of faces
    decides, and every further face is one more chance that strangers look alike. A box says which face you mean. The
    probability assumes that half of all pairs compared show one person.

    Photos in a list of pairs lie relative to its folder. It stands between commas, semicolons or tabs, in UTF-8 or
    UTF-16; verdicts between commas, in UTF-8. All its columns are kept; where one has a name that facesim writes
    itself, as same in JSON, facesim's own is facesim_same. A pair that cannot be compared gets its reason in the column
    error. Until it is whole, -o FILE is FILE.partial.

    Exit status: 0 same, 1 different, 2 trouble (a photo that cannot be read, or shows no face). Of a folder the
    nearest photo counts; of pairs, 0 says that each has a verdict.
    """
    named = [photo for photo in (photo1, photo2) if photo is not None]
    if pairs is not None:
        if named or photos or box1 or box2 or show:
            raise click.UsageError("--pairs says which photos to compare: leave out others, boxes and --show.")
        if resume and output is None:
            raise click.UsageError("--resume continues a file: name it with --output.")
        from facesim.cli.predict_many import compare_pairs

        return compare_pairs(Verifier(model, threshold, gpu), pairs, output, resume, selection, as_json)
    if output is not None or resume:
        raise click.UsageError("--output and --resume belong to --pairs.")
    if len(named) + len(photos) != 2 or len(named) == 1:
        raise click.UsageError("give two photos, as -img1 A -img2 B or as A B (facesim predict --help).")
    first, second = named or photos
    if os.path.isdir(second):
        if box1 or box2 or show:
            raise click.UsageError("boxes and --show are for two photos, not for a folder.")
        from facesim.cli.predict_many import compare_with_folder

        return compare_with_folder(Verifier(model, threshold, gpu), first, second, selection, as_json)
    if show:
        check_picture_path(Path(show))
        check_apart([Path(show)], [first, second, model or default_model()])
    verifier = Verifier(Model(model, gpu, quick=True), threshold)
    verdict = verifier.verify(first, second, selection, box1, box2)
    if show:
        from facesim.drawing.verdict import draw_verdict

        save_picture(draw_verdict(verdict), Path(show))
    for face, box in ((verdict.face1, box1), (verdict.face2, box2)):
        if box is None:
            say_which_face(face, selection)
        for warning in face.warnings:
            click.echo(f"facesim: {face.photo}: {warning}; the verdict may be wrong.", err=True)
    if as_json:
        click.echo(json.dumps(verdict.as_dict() | verifier.model.info.worst_at(verdict.threshold)))
    else:
        _print(verdict, selection == "all" or box1 is not None or box2 is not None)
    return 0 if verdict.same else 1


def _print(verdict, boxes: bool) -> None:
    click.echo("Same person." if verdict.same else "Different people.")
    click.echo(f"distance     {verdict.distance:.4f}")
    click.echo(f"threshold    {verdict.threshold:.4f}")
    contradicted = ""
    if verdict.same != (verdict.probability >= 0.5):
        contradicted = f"; the threshold asks for {'less' if verdict.same else 'more'}"
    click.echo(f"probability  {verdict.probability_text} that it is one person{contradicted}")
    if boxes:
        for number, face in ((1, verdict.face1), (2, verdict.face2)):
            click.echo(f"face {number}       {box_text(face.box)} of {face.photo}")
