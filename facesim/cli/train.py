"""`facesim train`: train the network, pick its threshold, write the model file."""

import os
from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.messages import results_text
from facesim.cli.options import FILE, output_option
from facesim.training.settings import Settings, option, options


def _with_settings(command):
    """Give a command one option for each setting, as settings.py defines it."""
    for name, kind, repeats, help, choices in reversed(options()):
        spelled = f"{option(name)}/--no-{name}" if kind is bool else option(name)
        allowed = click.Choice(choices) if choices else kind
        command = click.option(spelled, name, type=allowed, default=None, multiple=repeats, help=help)(command)
    return command


@verb()
@_with_settings
@click.option("--config", type=FILE, metavar="FILE", help="Repeat a run by its settings.json; options override it.")
@click.option(
    "--run",
    "--run-folder",
    "run_folder",
    type=FILE,
    metavar="FOLDER",
    help="The run's folder; torchrun: --run-folder.",
)
@output_option("The model file.  [default: model.onnx in the run folder]")
@click.option("--resume", is_flag=True, help="Continue an interrupted run after its last finished epoch.")
@click.option("--tensorboard", is_flag=True, help="Also write scalars and pictures of pairs for TensorBoard.")
def train(config, run_folder, output, resume, tensorboard, **given):
    """Train the network, pick its threshold, and write the model file.

    \b
    facesim train --data lfw                              continue from the model that ships
    facesim train --data lfw --init sources --epochs 0    how that model was made
    facesim train --data lfw --backbone small             from nothing, in minutes
    facesim train --data lfw --loss triplet --mining hard
    facesim train --data lfw --folds 10 --init sources    View 2: ten models, ten tests
    facesim train --data photos --init model.onnx         continue from a model file; photos/NAME/*.jpg
    torchrun --nproc-per-node 4 train.py --data lfw       on four GPUs

    LFW is read from the folder that FACESIM_DATA names or from your cache, and downloaded if it is in neither. Faces
    are cut once and kept. Identities are split: most are for training, some choose the threshold, some are for testing.
    """
    given["data"] = given["data"] or None
    if resume and run_folder and not config and all(value is None for value in given.values()):
        config = run_folder / "settings.json"
    settings = Settings.read(config, **given) if config else Settings.best(**given)

    from facesim.training.arguments import check_arguments

    check_arguments(settings, output)
    from facesim.files import check_apart
    from facesim.training.folds import table
    from facesim.training.record import RunFiles
    from facesim.training.run import train as run_training
    from facesim.training.text import comparison_text

    folder = run_folder or Path("runs") / run_name(settings)
    if config and not resume:
        check_apart([folder / "settings.json"], [config])
    results = run_training(settings, folder, output, resume, tensorboard)
    if os.environ.get("RANK", "0") != "0":  # one of torchrun's processes prints for all
        return 0
    if settings.folds:
        click.echo(table(results))
        click.echo(f"models    {folder}/fold-*/model.onnx")
        return 0
    files = RunFiles(folder)
    model = output or files.model
    if "start" in results:
        click.echo(comparison_text(results, model, files.trained))
    else:
        click.echo(results_text(results, "people it never saw", model))
    return 0


def run_name(settings: Settings) -> str:
    """Return a name for a run's folder, from its data, backbone, starting weights, loss, mining and folds."""
    names = [Path(name).resolve().name for name in settings.data]
    names += [settings.backbone, Path(settings.init).stem, settings.loss, settings.mining]
    names += [f"{settings.folds}-folds"] if settings.folds else []
    return "-".join(names)
