"""`facesim predict`: compare two photos, one with a folder of them, or many pairs."""

import atexit
import gc
import json
import os

import click

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more threads only cost time here, even at import

from facesim.cli import verb
from facesim.cli.messages import note, note_several_faces
from facesim.cli.options import (
    GPU,
    JSON_LINES,
    MODEL,
    check_one_threshold,
    draw_option,
    faces_option,
    output_option,
    threshold_option,
)
from facesim.detector.box import box_from_text, box_text
from facesim.errors import FaceSimError
from facesim.files import check_apart, check_picture_path, check_writable, save_picture
from facesim.operating_points import point_text
from facesim.photo_file import check_file

atexit.register(gc.freeze)  # else the last garbage collection, at exit, takes as long as a photo

_LIST = click.Path(exists=True, dir_okay=False, allow_dash=True)


class _BoxType(click.ParamType):
    name = "x,y,w,h"

    def convert(self, value, param, ctx):
        try:
            return box_from_text(value)
        except FaceSimError as error:
            self.fail(str(error))


@verb(status="0 same, 1 different, 2 trouble (a photo cannot be read, or shows no face).")
@click.argument("photos", nargs=-1, type=click.Path())
@click.option("-img1", "--image-path-1", "photo1", type=click.Path(), help="The first photo.")
@click.option("-img2", "--image-path-2", "photo2", type=click.Path(), help="The second photo, or a folder of them.")
@click.option("--pairs", type=_LIST, metavar="FILE", help="CSV with columns photo1 and photo2; - for stdin.")
@output_option("With --pairs: where to write, instead of to stdout.")
@click.option("--resume", is_flag=True, help="With --output: continue an interrupted run with the same settings.")
@faces_option("largest")
@click.option("-box1", "box1", type=_BoxType(), help="Where the face is in the first photo, in pixels.")
@click.option("-box2", "box2", type=_BoxType(), help="The same in the second photo.")
@MODEL
@threshold_option()
@click.option("--fmr", type=float, help="Use the operating point that the model file stores for this FMR: 0.001, say.")
@GPU
@JSON_LINES
@draw_option("Draw the two photos, their faces, the crops and the verdict.", former=["--show"])
def predict(
    photos, photo1, photo2, pairs, output, resume, selection, box1, box2, model, threshold, fmr, gpu, as_json, draw
):
    """Say whether two photos show the same person.

    \b
    facesim predict a.jpg b.jpg                two photos; also -img1 a.jpg -img2 b.jpg
    facesim predict a.jpg b.jpg --draw out.png
    facesim predict a.jpg b.jpg --fmr 0.001    stricter: one in a thousand strangers matches, as the model file has it
    facesim predict who.jpg photos             one photo with each in a folder, nearest first
    facesim predict --pairs pairs.csv          many pairs; a row of CSV for each

    In each photo the largest face counts, or the one nearest to the middle. With --faces all, the closest pair of faces
    decides, and every further face is one more chance that strangers look alike. A box says which face you mean. The
    probability assumes that half of all pairs compared show one person.

    In a list of pairs, photos are relative to its folder. Its fields are separated by commas, semicolons or tabs, in
    UTF-8 or UTF-16; the verdicts by commas, in UTF-8. All its columns are kept. Where facesim has a field of the same
    name, such as same in JSON, that becomes facesim_same. If a pair cannot be compared, the column error says why.
    Until the output is complete, FILE is called FILE.partial.

    With a folder, the nearest photo decides the exit status. With --pairs, it is 0 if every pair has a verdict.
    """
    check_one_threshold(threshold, fmr)
    named = [photo for photo in (photo1, photo2) if photo is not None]
    if pairs is not None:
        if named or photos or box1 or box2 or draw:
            raise click.UsageError("--pairs says which photos to compare: leave out others, boxes and --draw.")
        if resume and output is None:
            raise click.UsageError("--resume continues a file: name it with --output.")
        if output is not None:
            check_writable(output)
        from facesim.cli.predict_many import compare_pairs
        from facesim.verifier import Verifier

        return compare_pairs(Verifier(model, threshold, gpu, fmr), pairs, output, resume, selection, as_json)
    if output is not None or resume:
        raise click.UsageError("--output and --resume belong to --pairs.")
    if len(named) + len(photos) != 2 or len(named) == 1:
        raise click.UsageError("give two photos, as -img1 A -img2 B or as A B (facesim predict --help).")
    first, second = named or photos
    check_file(first)
    if os.path.isdir(second):
        if box1 or box2 or draw:
            raise click.UsageError("boxes and --draw are for two photos, not for a folder.")
        from facesim.cli.predict_many import compare_with_folder
        from facesim.verifier import Verifier

        return compare_with_folder(Verifier(model, threshold, gpu, fmr), first, second, selection, as_json)
    check_file(second)
    if draw:
        check_picture_path(draw)
    from facesim.model import Model, default_model
    from facesim.verifier import Verifier

    if draw:
        check_apart([draw], [first, second, model or default_model()])
    verifier = Verifier(Model(model, gpu, quick=True), threshold, fmr=fmr)
    verdict = verifier.verify(first, second, selection, box1, box2)
    if draw:
        from facesim.drawing.verdict import draw_verdict

        save_picture(draw_verdict(verdict), draw)
    for face, box in ((verdict.face1, box1), (verdict.face2, box2)):
        if box is None:
            note_several_faces(face, selection)
        for warning in face.warnings:
            note(f"{face.photo}: {warning}; the verdict may be wrong.")
    if as_json:
        click.echo(json.dumps(verdict.as_dict()))
    else:
        _print(
            verdict,
            point_text(verifier.model.info, verdict.threshold),
            selection == "all" or box1 is not None or box2 is not None,
        )
    return 0 if verdict.same else 1


def _print(verdict, point, boxes):
    click.echo(verdict.text)
    click.echo(f"distance     {verdict.distance:.4f}")
    click.echo(f"threshold    {verdict.threshold:.4f} ({point})")
    click.echo(f"probability  {verdict.probability_sentence}")
    if boxes:
        for number, face in ((1, verdict.face1), (2, verdict.face2)):
            click.echo(f"face {number}       {box_text(face.box)} of {face.photo}")
