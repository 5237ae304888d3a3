"""The command line: `facesim predict`, `facesim train`; a thin skin over the functions of the same names."""

import dataclasses
import json
import sys
from pathlib import Path

import click

from facesim import Verifier, __version__
from facesim.errors import FaceSimError


class _OneLineErrors:
    """Make every error of a command one line on stderr and exit status 2."""

    def main(self, *args, standalone_mode=True, **kwargs):
        return _one_line_errors(super().main, *args, **kwargs)


class _Command(_OneLineErrors, click.Command):
    pass


class _Group(_OneLineErrors, click.Group):
    command_class = _Command


def _one_line_errors(main, *args, **kwargs):
    try:
        status = main(*args, standalone_mode=False, **kwargs) or 0
    except SystemExit:  # click ends so, with 1, once nobody reads stdout; but 1 means different people
        sys.exit(2)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        message = error.format_message()
    except click.Abort:
        message = "interrupted."
    except FaceSimError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'the output'}: {error.strerror or error}."
    else:
        sys.exit(status)
    click.echo(f"facesim: {' '.join(message.splitlines())}", err=True)
    sys.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main():
    """Do two photos show the same person?

    \b
    facesim predict A.jpg B.jpg       compare two photos
    facesim train --data lfw          train the network behind the verdict
    """


@main.command(context_settings={"help_option_names": ["-h", "--help"]})
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

    Give the photos as -img1 A -img2 B, or just A B. In each, the largest face counts. The probability holds where half
    of all pairs compared show one person.

    Exit status: 0 same, 1 different, 2 trouble (a photo that cannot be read, or shows no face).
    """
    named = [photo for photo in (photo1, photo2) if photo is not None]
    if len(named) + len(photos) != 2 or len(named) == 1:
        raise click.UsageError("give two photos, as -img1 A -img2 B or as A B (facesim predict --help).")
    verdict = Verifier(model, threshold, gpu).verify(*(named or photos))
    if show:
        _show(verdict, Path(show))
    for face in (verdict.face1, verdict.face2):
        if face.faces > 1:
            counted = "the largest (of several as large, the most central) is compared"
            click.echo(f"facesim: {face.photo} shows {face.faces} faces; {counted}.", err=True)
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


def _show(verdict, path: Path) -> None:
    from facesim.files import write_whole
    from facesim.picture import draw_verdict

    picture = draw_verdict(verdict)
    try:
        with write_whole(path) as scratch:
            picture.save(scratch, format=None if scratch.suffix else "png")
    except (ValueError, KeyError) as error:  # Pillow knows no such suffix, or knows it for reading only
        raise FaceSimError(f"{path}: pictures are written as .png or .jpg.") from error
    except OSError as error:  # it names the scratch file
        raise FaceSimError(f"{path} cannot be written: {error.strerror or error}.") from error


@main.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data", default="lfw", show_default=True, help="lfw, or a folder with a sub-folder per identity.")
@click.option(
    "--init", default="dlib", show_default=True, help="Start from dlib's weights (dlib), or from nothing (scratch)."
)
@click.option(
    "--localiser-epochs", type=int, help="Epochs of learning where a face is.  [default: 16; from scratch: 0]"
)
@click.option("--epochs", type=int, help="Epochs of learning who it is.  [default: 3; from scratch: 4]")
@click.option(
    "--learning-rate", type=float, help="Of that stage, at its highest.  [default: 0.00003; from scratch: 0.001]"
)
@click.option("--margin", type=float, help="Impostors farther apart cost nothing.  [default: 0.35; from scratch: 1]")
@click.option(
    "--augmentation", type=float, help="Its strength, 0 to 1, in that stage.  [default: 1; from scratch: 0.3]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Equal seeds, equal runs (on a CPU).")
@click.option("--run", "run_folder", type=click.Path(), help="Folder for settings, metrics, curves, checkpoint.")
@click.option("--output", type=click.Path(), help="The model file to write.  [default: model.onnx in the run folder]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, after its last finished epoch.")
def train(data, init, localiser_epochs, epochs, learning_rate, margin, augmentation, seed, run_folder, output, resume):
    """Train the network, pick its threshold, and write the model file.

    LFW is looked for in the folder that FACESIM_DATA names (or in your cache), and downloaded where it is missing.
    Faces are cut once and kept. Identities are split: most to train, some to choose the threshold, some to test.

    \b
    facesim train --data lfw                          as the model that ships was made
    facesim train --data lfw --init scratch           the honest baseline without dlib's weights
    facesim train --data photos --run runs/mine       photos/NAME/*.jpg, any names
    """
    try:
        from facesim.training.run import train as run_training
        from facesim.training.settings import Settings
    except ModuleNotFoundError as error:
        raise FaceSimError(f"training needs {error.name}: pip install 'facesim[train]'.") from error

    settings = Settings.for_init(
        init,
        data=data,
        localiser_epochs=localiser_epochs,
        epochs=epochs,
        learning_rate=learning_rate,
        margin=margin,
        augmentation=augmentation,
        seed=seed,
    )
    folder = Path(run_folder or Path("runs") / f"{Path(data).name}-{init}")
    output = Path(output) if output else folder / "model.onnx"
    results = run_training(settings, folder, output, resume)
    low, high = results["f1_interval"]
    click.echo(f"tested on  {results['test_pairs']} pairs of people it never saw")
    click.echo(f"F1         {results['f1']:.4f} (95 %: {low:.4f} to {high:.4f})")
    click.echo(f"threshold  {results['threshold']:.4f}")
    click.echo(f"FMR        {results['fmr']:.2%}")
    click.echo(f"FNMR       {results['fnmr']:.2%}")
    click.echo(f"model      {output}")
    return 0


if __name__ == "__main__":
    main()
