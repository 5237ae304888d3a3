"""`facesim train`: train the network, pick its threshold, write the model file."""

import os
from pathlib import Path

import click

from facesim.cli import HELP, Command
from facesim.cli.results import results_text
from facesim.training.settings import Settings, option, options

PATH = click.Path(path_type=Path)


def _with_settings(command):
    """Give a command one option for each setting, as settings.py defines it."""
    for name, kind, repeats, help, choices in reversed(options()):
        kind = click.Choice(choices) if choices else kind
        spelled = f"{option(name)}/--no-{name}" if kind is bool else option(name)
        command = click.option(spelled, name, type=kind, default=None, multiple=repeats, help=help)(command)
    return command


@click.command(cls=Command, context_settings=HELP)
@_with_settings
@click.option("--config", type=PATH, help="Repeat a run by its settings.json, but for the options given besides.")
@click.option(
    "--run",
    "--run-folder",
    "run_folder",
    type=PATH,
    help="Folder for settings, metrics, curves, checkpoint; --run-folder to torchrun.",
)
@click.option("--output", type=PATH, help="The model file.  [default: model.onnx in the run folder]")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run, after its last finished epoch.")
@click.option("--tensorboard", is_flag=True, help="Write scalars and pictures of pairs for TensorBoard, too.")
def train(config, run_folder, output, resume, tensorboard, **given):
    """Train the network, pick its threshold, and write the model file.

    LFW is looked for in the folder that FACESIM_DATA names (or in your cache), and downloaded where it is missing.
    Faces are cut once and kept. Identities are split: most to train, some to choose the threshold, some to test.

    \b
    facesim train --data lfw                              go on from the model that ships
    facesim train --data lfw --init sources --epochs 0    as that was made
    facesim train --data lfw --backbone small             from nothing, in minutes
    facesim train --data lfw --loss triplet --mining hard
    facesim train --data lfw --folds 10 --init sources    View 2: ten models, ten tests
    facesim train --data photos --init models/facesim.onnx    go on from a model; photos/NAME/*.jpg
    torchrun --nproc-per-node 4 train.py --data lfw       on four GPUs
    """
    given["data"] = given["data"] or None
    if resume and run_folder and not config and all(value is None for value in given.values()):
        config = run_folder / "settings.json"
    settings = Settings.read(config, **given) if config else Settings.best(**given)

    from facesim.files import check_apart
    from facesim.training.folds import table
    from facesim.training.run import train as run_training

    folder = run_folder or Path("runs") / run_name(settings)
    if config and not resume:
        check_apart([folder / "settings.json"], [config])
    results = run_training(settings, folder, output, resume, tensorboard)
    if os.environ.get("RANK", "0") != "0":  # of torchrun's processes one speaks for all
        return 0
    if settings.folds:
        click.echo(table(results))
        click.echo(f"models    {folder}/fold-*/model.onnx")
        return 0
    click.echo(results_text(results, "people it never saw", output or folder / "model.onnx"))
    return 0


def run_name(settings: Settings) -> str:
    """Return a name for the folder of a run: what was trained, on what, from what, by what."""
    names = [Path(name).resolve().name for name in settings.data]
    names += [settings.backbone, Path(settings.init).stem, settings.loss, settings.mining]
    names += [f"{settings.folds}-folds"] if settings.folds else []
    return "-".join(names)
