"""`facesim adopt`: put another recogniser behind facesim's detector, crop and localiser."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import click

from facesim.cli import HELP, Command

PATH = click.Path(path_type=Path)
TEMPLATES = ("arcface", "sface", "openmodelzoo", "sirius", "dlib")


class _PerChannel(click.ParamType):
    """A number, or one for each of three channels: 127.5, 1/128, or 123.7,116.3,103.5."""

    name = "number"

    def convert(self, value, parameter, context):
        try:
            numbers = tuple(float(Fraction(number.strip())) for number in value.split(","))
        except (ValueError, ZeroDivisionError):
            numbers = ()
        if len(numbers) not in (1, 3):
            self.fail(f"{value} is neither a number nor three of them: give 127.5, say, or 123.7,116.3,103.5.")
        return numbers


class _Points(click.ParamType):
    """Five points as complex numbers: "x,y x,y x,y x,y x,y"."""

    name = "points"

    def convert(self, value, parameter, context):
        try:
            points = [tuple(map(float, point.split(","))) for point in value.split()]
            return tuple(complex(x, y) for x, y in points)
        except ValueError:
            self.fail(f'{value} is no list of points: give "x,y x,y x,y x,y x,y".')


@click.command(cls=Command, context_settings=HELP)
@click.argument("recogniser", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The model file to write.")
@click.option(
    "--data",
    default="lfw",
    show_default=True,
    help="Whose photos choose the threshold and test it: lfw, pins, or a folder with a sub-folder per identity.",
)
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    help="Where it wants the face, and how its pixels.  [default: arcface]",
)
@click.option(
    "--points",
    type=_Points(),
    help='Instead: where it wants eyes, nose and corners of the mouth, "x,y x,y x,y x,y x,y" in pixels of its input.',
)
@click.option("--channels", type=click.Choice(("rgb", "bgr")), help="Their order.  [default: the template's, or rgb]")
@click.option("--mean", type=_PerChannel(), help="Taken from pixels 0..255.  [default: the template's, or 127.5]")
@click.option("--scale", type=_PerChannel(), help="Then multiplied by.  [default: the template's, or 1/128]")
@click.option("--name", help="What it is called; kept in the model file, as are the next two.")
@click.option("--source", help="Where it comes from.")
@click.option("--licence", "--license", help="Under which licence its weights are.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def adopt(recogniser, output, data, template, points, channels, mean, scale, name, source, licence, as_json):
    """Put another recogniser behind facesim's detector, crop and localiser.

    RECOGNISER is an ONNX file that maps aligned faces to embeddings. It becomes a model file that every verb takes with
    -w, galleries included, with a threshold, a calibration and operating points of its own.

    \b
    facesim adopt w600k_mbf.onnx -o mbf.onnx --scale 1/127.5      ArcFace's template and RGB, as most have it
    facesim adopt face_recognition_sface_2021dec.onnx -o sface.onnx --template sface
    facesim adopt mine.onnx -o model.onnx --points "30,52 66,52 48,72 34,92 62,92" --channels bgr
    facesim adopt mine.onnx -o model.onnx --data photos           photos/NAME/*.jpg

    \b
    arcface        112×112, RGB, (v − 127.5)/128
    sface          the same, RGB 0 to 255: OpenCV's SFace
    openmodelzoo   128×128, BGR 0 to 255: Intel's face-reidentification-retail-0095
    sirius         112×112, RGB, (v − 127.5)/128, a little wider and higher: sirius-ai's MobileFaceNet
    dlib           150×150, RGB, (v − dlib's means)/256

    A template fits any square input. On LFW, fold 8 of View 2 chooses the threshold, and folds 9 and 10 test it; in
    a folder, half of the people choose, and the others test. Whom the recogniser itself was trained on is not known: if
    they were among these people, the figures flatter it.
    """
    if template and points:
        raise click.UsageError("--points are a template of their own: leave out --template.")

    from facesim.adoption.adopt import adopt as adopt_recogniser
    from facesim.adoption.face_input import FACE_INPUTS, template_of_points
    from facesim.cli.results import results_text

    given = {"template": points and template_of_points(points), "channels": channels, "mean": mean, "scale": scale}
    reads = FACE_INPUTS[template or "arcface"]
    reads = dataclasses.replace(reads, **{part: value for part, value in given.items() if value is not None})
    results = adopt_recogniser(recogniser, output, reads, data, name=name, source=source, licence=licence)
    if as_json:
        click.echo(json.dumps(results | {"model": str(output)}))
    else:
        people = "people who did not choose the threshold; who was in its training data is not known"
        click.echo(results_text(results, people, output))
