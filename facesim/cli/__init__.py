"""The command line: one module per verb, each a thin skin over functions that Python can call."""

import contextlib
import importlib

import click

from facesim import __version__
from facesim.cli.messages import translate_errors
from facesim.cli.verbs import FORMER_VERBS, OTHER_WORDS, SECTIONS, VERBS
from facesim.errors import FaceSimError
from facesim.install import install_command

_HELP = {"help_option_names": ["-h", "--help"]}


class _TranslatedErrors(click.Command):
    """Make every error one line on stderr and exit status 2."""

    def main(self, *args, standalone_mode=True, **kwargs):
        return translate_errors(super().main, *args, **kwargs)


class _Verb(_TranslatedErrors):
    def invoke(self, context):
        with _missing_packages_named(self.name):
            return super().invoke(context)


class _Verbs(_TranslatedErrors, click.Group):
    """Import a verb's module only when the verb is called, so that a comparison never waits for training's imports."""

    def list_commands(self, context):
        return list(VERBS)

    def get_command(self, context, name):
        if name in OTHER_WORDS:
            raise click.UsageError(f"there is no {name}: try facesim {OTHER_WORDS[name]} --help.")
        return _load(name) if name in VERBS else None

    def resolve_command(self, context, args):
        name, *rest = args
        return super().resolve_command(context, [*FORMER_VERBS.get(name, (name,)), *rest])

    def format_commands(self, context, formatter):
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, verb.summary) for name, verb in verbs.items()])


def verb(name=None, status="0 success, 2 trouble."):
    """Make a function a verb of the command line, called `name` or as the function is, with these exit statuses."""
    return click.command(name, cls=_Verb, context_settings=_HELP, epilog=f"Exit status: {status}")


def _load(name: str) -> _Verb:
    with _missing_packages_named(name):
        module = importlib.import_module(f"facesim.cli.{name}")
    return next(item for item in vars(module).values() if isinstance(item, _Verb) and item.name == name)


@contextlib.contextmanager
def _missing_packages_named(name):
    try:
        yield
    except ModuleNotFoundError as error:
        raise FaceSimError(f"{name} needs {error.name}: {install_command(VERBS[name].extra)}.") from error


def run_verb(name: str) -> None:
    """Run one verb as a program of its own, and exit."""
    translate_errors(lambda **options: click.Command.main(_load(name), **options))


@click.group(cls=_Verbs, context_settings=_HELP, subcommand_metavar="VERB [ARGUMENTS]...")
@click.version_option(__version__)
def main():
    """Do two photos show the same person?

    \b
    facesim predict A.jpg B.jpg
    facesim VERB --help           what a verb does, with examples
    """
