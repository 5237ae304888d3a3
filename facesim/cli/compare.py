"""`facesim compare`: two models on the same pairs."""

import json
from pathlib import Path

import click

from facesim.cli import HELP, Command
from facesim.cli.protocol_options import with_protocol
from facesim.files import check_apart, check_picture_path, save_picture


@click.command(cls=Command, context_settings=HELP)
@click.argument("model_a", type=click.Path(path_type=Path))
@click.argument("model_b", type=click.Path(path_type=Path))
@with_protocol
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@click.option(
    "--draw",
    type=click.Path(path_type=Path),
    default="disagreements.png",
    show_default=True,
    help="Where to draw the pairs that only one model gets right.",
)
def compare(model_a, model_b, data, view, pairs, count, seed, as_json, draw):
    """Say whether model B is better than model A on the same pairs, or whether chance alone may explain it.

    Each is judged at its own threshold, and neither may have seen the people: without --data or --pairs they are those
    whom both held out. McNemar's exact test looks at the pairs that only one of them gets right; these are drawn, those
    on which the models are furthest apart first.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.evaluation.comparison import compare_models, draw_disagreements
    from facesim.evaluation.formatting import as_dict
    from facesim.evaluation.protocol import open_protocol
    from facesim.evaluation.scoring import score
    from facesim.evaluation.text import comparison_text
    from facesim.model import Model
    from facesim.photo import PHOTO_SUFFIXES

    if model_a.suffix.lower() in PHOTO_SUFFIXES:
        raise click.UsageError(f"{model_a} is a photo, and compare is for models: facesim predict compares photos.")
    check_picture_path(draw)
    models = [Model(path) for path in (model_a, model_b)]
    protocol = open_protocol(models[0].info, data, view, pairs, count, seed, also=(models[1].info,))
    check_apart([draw], protocol.files(model_a, model_b, pairs))
    crops = protocol.source.crops()
    scores = [score(protocol, model, crops) for model in models]
    comparison = compare_models(*scores, *models)
    picture = None
    if len(comparison.only_a_right) + len(comparison.only_b_right):
        save_picture(draw_disagreements(*scores, comparison), draw)
        picture = str(draw)
    if as_json:
        click.echo(json.dumps(as_dict(comparison) | {"picture": picture}))
    else:
        click.echo(comparison_text(comparison))
        click.echo(f"drawn         {picture or 'nothing: the models agree on every pair'}")
