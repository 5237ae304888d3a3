"""The command line: one module per verb, each a thin skin over functions that Python can call."""

import contextlib
import importlib
import os
import sys
import traceback
import warnings

import click

from facesim import __version__
from facesim.cli.verbs import SECTIONS, VERBS
from facesim.errors import FaceSimError, FaceSimWarning
from facesim.install import install_command

HELP = {"help_option_names": ["-h", "--help"]}
MODEL = click.option(
    "-w", "--weight-path", "model", type=click.Path(), help="A model file, instead of the one that ships."
)
GPU = click.option("-g", "--gpu", type=int, default=-1, show_default=True, help="Number of the GPU; -1 for the CPU.")
DEBUG = "FACESIM_DEBUG"  # an environment variable: set, an error comes with where in the code it arose
_OTHER_WORDS = {"verify": "predict", "enroll": "enrol"}  # that people try


class _OneLineErrors:
    """Make every error of a command one line on stderr and exit status 2."""

    def main(self, *args, standalone_mode=True, **kwargs):
        return _one_line_errors(super().main, *args, **kwargs)


class Command(_OneLineErrors, click.Command):
    """A verb, as `@click.command(cls=Command, context_settings=HELP)`."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except ModuleNotFoundError as error:
            raise _missing(self.name, error) from error


class _Verbs(_OneLineErrors, click.Group):
    """Load a verb's module only when it is asked for, so that comparing never waits for what training needs."""

    def list_commands(self, context):
        return list(VERBS)

    def get_command(self, context, name):
        if name in _OTHER_WORDS:
            raise click.UsageError(f"there is no {name}: try facesim {_OTHER_WORDS[name]} --help.")
        return _verb(name) if name in VERBS else None

    def format_commands(self, context, formatter):
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, verb.does) for name, verb in verbs.items()])


def _verb(name: str) -> Command:
    try:
        module = importlib.import_module(f"facesim.cli.{name}")
    except ModuleNotFoundError as error:
        raise _missing(name, error) from error
    return next(item for item in vars(module).values() if isinstance(item, Command) and item.name == name)


def _missing(verb: str, error: ModuleNotFoundError) -> FaceSimError:
    return FaceSimError(f"{verb} needs {error.name}: {install_command(VERBS[verb].extra)}.")


def run_verb(name: str) -> None:
    """Run one verb as a program of its own, and exit."""
    _one_line_errors(lambda **given: click.Command.main(_verb(name), **given))


def _one_line_errors(main, *args, **kwargs):
    """Call `main` and exit with its status; with 2 where it raises anything at all: 1 means different people."""
    warnings.filterwarnings("ignore", module=r"PIL\.")  # an odd photo is ours to tell of, in a sentence
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file's name may have letters that the terminal lacks, or be no text
            stream.reconfigure(errors="replace")
    try:
        with _one_line_warnings():
            status = main(*args, standalone_mode=False, **kwargs) or 0
    except SystemExit:  # click ends so, with 1, once nobody reads stdout
        status = 2
    except BaseException as error:  # Rust's panics, of LanceDB, are no Exception
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
    """Make every FaceSimWarning one line on stderr, said once."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message, category, *where, **how):
            if issubclass(category, FaceSimWarning):
                click.echo(f"facesim: {message}", err=True)
            else:
                others(message, category, *where, **how)

        warnings.simplefilter("default", FaceSimWarning)
        warnings.showwarning = show
        yield


_SELECTED = {
    "largest": "the largest is {done}",
    "centre": "the one nearest to the middle is {done}",
    "all": "the closest pair of them decides",
}


def say_which_face(face, selection: str = "largest", done: str = "compared") -> None:
    """Tell on stderr which face of a `FoundFace`'s photo counts, where the photo shows several."""
    if face.face_count > 1:
        click.echo(
            f"facesim: {face.photo} shows {face.face_count} faces; {_SELECTED[selection].format(done=done)}.", err=True
        )


@click.group(cls=_Verbs, context_settings=HELP)
@click.version_option(__version__)
def main():
    """Do two photos show the same person?

    \b
    facesim predict A.jpg B.jpg
    facesim VERB --help           what a verb does, with examples
    """
