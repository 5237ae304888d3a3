"""What several verbs of the gallery share: options, what they open, and lines of text."""

import click

from facesim.detector.selection import SELECTIONS, box_text
from facesim.text import printable

GALLERY = click.argument("address", metavar="GALLERY")
ALL_FACES = click.option(
    "--faces",
    "selection",
    type=click.Choice(SELECTIONS),
    default="all",
    show_default=True,
    help="Which faces of a photo count.",
)
FMR = click.option("--fmr", type=float, help="Take at most this share of strangers for somebody enrolled, as 0.01.")
THRESHOLD = click.option(
    "-t", "--threshold", type=float, help="Known below this distance (0 to 2), instead of the model's threshold."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each.")


def open_identifier(address, model, gpu, fmr, threshold, selection, quick=False):
    """Return an `Identifier` by the options of these names; raises UsageError where two say how strict to be."""
    from facesim.gallery.identify import Identifier
    from facesim.gallery.store import open_gallery
    from facesim.verifier import Verifier

    if fmr is not None and threshold is not None:
        raise click.UsageError("--fmr picks the threshold: leave out -t.")
    verifier = Verifier(model, threshold, gpu)
    return Identifier(open_gallery(address, verifier.model), verifier, fmr, selection, quick)


def identified_line(face) -> str:
    """Say who a face is, in columns: name, distance, probability, box, photo."""
    name = printable(face.name) if face.name else "unknown"
    distance = f"{face.nearest.distance:.4f}" if face.nearest else "–"
    where = f"{box_text(face.face.box):<19}  {printable(face.face.photo)}"
    return f"{name:<24}  {distance:<8}  {face.probability_text:<11}  {where}"


IDENTIFIED_COLUMNS = f"{'name':<24}  distance  probability  {'face (x,y,w,h)':<19}  photo"


def tell(bar, words) -> None:
    """Say something on stderr, above a progress bar."""
    bar.clear()
    click.echo(f"facesim: {words}", err=True)


def say_how_many_strangers_pass(identifier) -> None:
    """Tell on stderr where a threshold lets more than a tenth of strangers pass for somebody enrolled."""
    share = identifier.strangers_named()
    if share > 0.1:
        click.echo(
            f"facesim: each of {identifier.enrolled:,} enrolled faces is a chance to be taken for it: at threshold "
            f"{identifier.threshold:.4f} some {100 * min(share, 0.99):.0f} % of strangers are. --fmr asks for fewer.",
            err=True,
        )


def say_worst_recorded(identifier) -> None:
    """Tell on stderr where the model's file records a higher FMR, on other data or a group, than it states."""
    worst = identifier.info.worst_text(identifier.threshold)
    if worst:
        click.echo(f"facesim: threshold {identifier.threshold:.4f}: {worst}.", err=True)
