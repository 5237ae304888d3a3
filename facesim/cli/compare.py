"""`facesim compare`: two models on the same pairs."""

import json

import click

from facesim.cli import verb
from facesim.cli.options import FILE, JSON, draw_option, protocol_options
from facesim.evaluation.arguments import check_arguments
from facesim.files import check_apart, check_picture_path, save_picture


@verb()
@click.argument("model_a", type=FILE)
@click.argument("model_b", type=FILE)
@protocol_options
@JSON
@draw_option("Draw the pairs that only one model gets right.", default="disagreements.png")
def compare(model_a, model_b, data, view, pairs, count, seed, as_json, draw):
    """Test whether model B is better than model A on the same pairs, or whether chance alone may explain it.

    \b
    facesim compare old.onnx new.onnx                  on people whom neither has seen
    facesim compare old.onnx new.onnx --data photos    on your own: photos/NAME/*.jpg

    Each model decides at its own threshold. Without --data or --pairs, the pairs are of the people whom the training of
    both held out. McNemar's exact test looks at the pairs that only one model gets right; these are drawn, those on
    which the models differ most first.
    """
    check_picture_path(draw)
    check_arguments(data, view, pairs, count)
    from facesim.onnx_file import check_onnx_file
    from facesim.photo import PHOTO_SUFFIXES

    if model_a.suffix.lower() in PHOTO_SUFFIXES:
        raise click.UsageError(f"{model_a} is a photo, and compare is for models: facesim predict compares photos.")
    for path in (model_a, model_b):
        check_onnx_file(path)
    from facesim.evaluation.comparison import compare_models, draw_disagreements
    from facesim.evaluation.formatting import as_dict
    from facesim.evaluation.protocol import open_protocol
    from facesim.evaluation.scoring import score
    from facesim.evaluation.text import comparison_text
    from facesim.model import Model

    opened_a, opened_b = Model(model_a), Model(model_b)
    protocol = open_protocol(opened_a.info, data, view, pairs, count, seed, also=(opened_b.info,))
    check_apart([draw], protocol.files(model_a, model_b, pairs))
    scores_a = score(protocol, opened_a)
    scores_b = score(protocol, opened_b, scores_a.crops)
    comparison = compare_models(scores_a, scores_b, opened_a, opened_b)
    picture = None
    if len(comparison.only_a_right) + len(comparison.only_b_right):
        save_picture(draw_disagreements(scores_a, scores_b, comparison), draw)
        picture = str(draw)
    if as_json:
        click.echo(json.dumps(as_dict(comparison) | {"picture": picture}))
    else:
        click.echo(comparison_text(comparison))
        click.echo(f"drawn         {picture or 'nothing: the models agree on every pair'}")
