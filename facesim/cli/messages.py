"""What several verbs print: notes, warnings and errors on stderr, the test results of a new model on stdout."""

import contextlib
import os
import sys
import traceback
import warnings
from pathlib import Path

import click

from facesim.environment import DEBUG
from facesim.errors import FaceSimError, FaceSimWarning


def note(message, bar=None):
    """Print a line on stderr, above a progress bar if there is one."""
    if bar is not None:
        bar.clear()
    click.echo(f"facesim: {message}", err=True)


_SELECTED = {
    "largest": "the largest is {done}",
    "centre": "the one nearest to the middle is {done}",
    "all": "the closest pair of them decides",
}


def note_several_faces(face, selection="largest", done="compared"):
    """Print which face of a `FoundFace`'s photo was selected, if the photo shows several."""
    if face.face_count > 1:
        note(f"{face.photo} shows {face.face_count} faces; {_SELECTED[selection].format(done=done)}.")


def results_text(results: dict, people: str, model: Path) -> str:
    """Return the results on test pairs of `people`, a line for each, and where the model is."""
    low, high = results["f1_interval"]
    chance = results["fmr_interval"][1] >= 1 - results["fnmr_interval"][1]
    return (
        f"tested on  {results['test_pairs']} pairs of {people}\n"
        f"F1         {results['f1']:.4f} (95 %: {low:.4f} to {high:.4f})\n"
        f"accuracy   {results['accuracy']:.2%}\n"
        f"threshold  {results['threshold']:.4f}\n"
        f"FMR        {results['fmr']:.2%}\n"
        f"FNMR       {results['fnmr']:.2%}\n"
        f"model      {model}"
        + ("\nDo not use it: as far as these pairs can tell, it is no better than chance." if chance else "")
    )


def translate_errors(main, *args, **kwargs):
    """Call `main` and exit with its status; on any error, print one line and exit with 2: 1 means different people."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # facesim itself warns of odd photos
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file's name may not be text, or have letters that the terminal lacks
            stream.reconfigure(errors="replace")
    try:
        with _one_line_warnings():
            status = main(*args, standalone_mode=False, **kwargs) or 0
    except SystemExit:  # click exits with 1 if nobody reads stdout any more
        status = 2
    except BaseException as error:  # LanceDB's Rust panics are not Exceptions
        if os.environ.get(DEBUG):
            traceback.print_exc()
        click.echo(_in_one_line(error), err=True)
        status = 2
    sys.exit(status)


def _in_one_line(error: BaseException) -> str:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return error.format_message()
        case click.ClickException():
            message = error.format_message()
        case click.Abort():
            message = "interrupted."
        case FaceSimError():
            message = str(error)
        case OSError():
            message = f"{error.filename or 'the output'}: {error.strerror or error}."
        case _:
            what = f"{type(error).__name__}: {error}".rstrip(".: ")
            message = f"this should not have happened ({what}). Set {DEBUG}=1 to see where it did, and report it."
    return f"facesim: {' '.join(message.splitlines())}"


@contextlib.contextmanager
def _one_line_warnings():
    """Print each FaceSimWarning once, as one line on stderr."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(message, category, *where, **options):
            if issubclass(category, FaceSimWarning):
                note(message)
            else:
                show_other(message, category, *where, **options)

        warnings.simplefilter("default", FaceSimWarning)
        warnings.showwarning = show
        yield
