"""`facesim adopt`: put another recogniser behind facesim's detector, crop and localiser."""

import dataclasses
import json
from fractions import Fraction

import click

from facesim.cli import verb
from facesim.cli.options import FILE, JSON, checked_data, output_option
from facesim.files import check_writable

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


@verb()
@click.argument("recogniser", type=FILE)
@output_option("The model file to write.", required=True)
@click.option(
    "--data",
    default="lfw",
    show_default=True,
    callback=checked_data,
    help="lfw, pins, or a folder with a sub-folder per identity.",
)
@click.option("--template", type=click.Choice(TEMPLATES), help="What its input looks like.  [default: arcface]")
@click.option("--points", type=_Points(), help="Instead: eyes, nose and mouth corners, in pixels of its input.")
@click.option("--channels", type=click.Choice(("rgb", "bgr")), help="Of its input.  [default: the template's, or rgb]")
@click.option("--mean", type=_PerChannel(), help="Subtracted from pixels.  [default: the template's, or 127.5]")
@click.option("--scale", type=_PerChannel(), help="Then multiplied with them.  [default: the template's, or 1/128]")
@click.option("--name", help="What it is called; stored in the model file, as are the next two.")
@click.option("--source", help="Where it comes from.")
@click.option("--licence", "--license", help="The licence of its weights.")
@JSON
def adopt(recogniser, output, data, template, points, channels, mean, scale, name, source, licence, as_json):
    """Put another recogniser behind facesim's detector, crop and localiser.

    \b
    facesim adopt w600k_mbf.onnx -o mbf.onnx --scale 1/127.5      ArcFace's template and RGB, as for most
    facesim adopt face_recognition_sface_2021dec.onnx -o sface.onnx --template sface
    facesim adopt mine.onnx -o model.onnx --points "30,52 66,52 48,72 34,92 62,92" --channels bgr
    facesim adopt mine.onnx -o model.onnx --data photos           photos/NAME/*.jpg

    RECOGNISER is an ONNX file that maps aligned faces to embeddings. The result is a model file that every verb takes
    with -w, with a threshold, a calibration and operating points of its own.

    \b
    arcface        112×112, RGB, (v − 127.5)/128
    sface          the same, RGB 0 to 255: OpenCV's SFace
    openmodelzoo   128×128, BGR 0 to 255: Intel's face-reidentification-retail-0095
    sirius         112×112, RGB, (v − 127.5)/128, a little wider and higher: sirius-ai's MobileFaceNet
    dlib           150×150, RGB, (v − dlib's means)/256

    A template fits any square input. On LFW, fold 8 of View 2 chooses the threshold, and folds 9 and 10 test it. In a
    folder, half of the people choose it, and the others test it. Nobody knows whom the recogniser was trained on: if
    they are among these people, the figures flatter it.
    """
    if template and points:
        raise click.UsageError("--points are a template of their own: leave out --template.")
    from facesim.onnx_file import unwanted_in

    unwanted_in(recogniser)  # which raises FaceSimError where it is no ONNX file
    check_writable(output)

    from facesim.adoption.adopt import adopt as adopt_recogniser
    from facesim.adoption.face_input import FACE_INPUTS, template_of_points
    from facesim.cli.messages import results_text

    given = {"template": points and template_of_points(points), "channels": channels, "mean": mean, "scale": scale}
    reads = FACE_INPUTS[template or "arcface"]
    reads = dataclasses.replace(reads, **{part: value for part, value in given.items() if value is not None})
    results = adopt_recogniser(recogniser, output, reads, data, name=name, source=source, licence=licence)
    if as_json:
        click.echo(json.dumps(results | {"model": str(output)}))
    else:
        people = "people who did not choose the threshold; who was in its training data is not known"
        click.echo(results_text(results, people, output))
