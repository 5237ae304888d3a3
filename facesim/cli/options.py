"""The options that several verbs share, each with one definition and one spelling.

What they name is looked for as they are read, before a verb imports what it needs to work.
"""

from pathlib import Path

import click

from facesim.detector.box import SELECTIONS

FILE = click.Path(path_type=Path)


class _Option(click.Option):
    """An option with former spellings, which still work although `--help` does not list them."""

    def __init__(self, *args, former=(), **kwargs):
        super().__init__(*args, **kwargs)
        self._former = former

    def add_to_parser(self, parser, context):
        listed = self.opts
        self.opts = [*listed, *self._former]
        super().add_to_parser(parser, context)
        self.opts = listed


def checked_model(context, parameter, path):
    """Return the path of a model file; raises FaceSimError where it is none."""
    if path is not None:
        from facesim.onnx_file import check_onnx_file  # it loads numpy

        check_onnx_file(Path(path))
    return path


def checked_data(context, parameter, names):
    """Return the name of a data set, or several; raises FaceSimError where there is none of a name."""
    from facesim.data.named import check_data_set  # who compares photos needs no data

    for name in (names,) if isinstance(names, str) else names:
        check_data_set(name)
    return names


MODEL = click.option(
    "-w",
    "--weight-path",
    "model",
    type=click.Path(),
    metavar="FILE",
    callback=checked_model,
    help="A model, instead of the one that ships.",
)
GPU = click.option("-g", "--gpu", type=int, default=-1, show_default=True, help="Number of the GPU; -1 for the CPU.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
JSON_LINES = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text, a line for each result.")
SEED = click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed.")
GALLERY = click.argument("address", metavar="GALLERY")
PAIRS = click.Path(exists=True, dir_okay=False, path_type=Path)
FMR = click.option(
    "--fmr",
    type=click.FloatRange(0, 1, min_open=True),
    help="Name at most this share of strangers.  [default: 0.01, or as few as the model can promise]",
)
ALLOW_TWICE = click.option(
    "--allow-twice", is_flag=True, help="A person may be on a photo twice, as on a collage or in a mirror."
)
BY = click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Errors by a column of people.csv or of the pairs, by detector, or by prefix.",
)


def threshold_option(default="from the model file"):
    """Return the option `--threshold`, with words for where its default comes from."""
    help = f"Faces match below this distance, 0 to 2.  [default: {default}]"
    return click.option("-t", "--threshold", type=float, callback=_checked_threshold, help=help)


def _checked_threshold(context, parameter, threshold):
    if threshold is None:
        return None
    from facesim.operating_points import check_threshold  # it loads dataclasses

    return check_threshold(threshold)


def check_one_threshold(threshold, fmr):
    """Raise UsageError where the options -t and --fmr are both given."""
    if threshold is not None and fmr is not None:
        raise click.UsageError("--fmr picks the threshold: leave out -t.")


def faces_option(default):
    """Return the option `--faces`, whose value is the parameter `selection`."""
    kind = click.Choice(SELECTIONS)
    help = "Which faces of a photo count."
    return click.option("--faces", "selection", type=kind, default=default, show_default=True, help=help)


def draw_option(help, default=None, former=()):
    """Return the option `--draw`, for the picture that a verb draws, or writes as a video."""
    return click.option(
        "--draw", cls=_Option, former=former, type=FILE, metavar="FILE", default=default, show_default=True, help=help
    )


def output_option(help, metavar="FILE", required=False):
    """Return the option `--output`, for what a verb writes instead of printing it."""
    return click.option("-o", "--output", type=FILE, metavar=metavar, required=required, help=help)


def nearest_option(max_count):
    """Return the option `-k`, for how many neighbours a verb finds."""
    return click.option("-k", type=click.IntRange(1, max_count), default=5, show_default=True, help="How many to find.")


def protocol_options(command):
    """Give a command the parameters data, view, pairs, count and seed, as `open_protocol` takes them."""
    options = (
        click.option(
            "--data",
            multiple=True,
            callback=checked_data,
            help="lfw, pins, or a folder with a sub-folder of photos per identity.",
        ),
        click.option("--view", type=click.Choice(("1", "2")), help="The pairs of LFW's View 1 or 2."),
        click.option("--pairs", type=PAIRS, metavar="FILE", help="A CSV file of pairs: photo1,photo2,same (1 or 0)."),
        click.option(
            "--count",
            type=click.IntRange(1, 1_000_000),
            help="Pairs of each kind to draw.  [default: LFW's, or 1000]",
        ),
        SEED,
    )
    for option in reversed(options):
        command = option(command)
    return command
