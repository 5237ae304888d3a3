"""`facesim evaluate`: how accurate a model is, on people that it never saw."""

import json

import click

from facesim.cli import HELP, Command
from facesim.cli.trial_options import with_trial


@click.command(cls=Command, context_settings=HELP)
@click.option("-w", "--weight-path", "model", type=click.Path(), help="A model file, instead of the one that ships.")
@with_trial
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def evaluate(model, data, view, pairs, count, seed, as_json):
    """Say how accurate a model is, on people that it never saw.

    \b
    facesim evaluate                      on the people whom its training held out
    facesim evaluate --data pins          on a data set that it was not trained on
    facesim evaluate --data photos        photos/NAME/*.jpg: 1,000 genuine and 1,000 impostor pairs
    facesim evaluate --pairs pairs.csv    lines of photo1,photo2,same
    facesim evaluate --view 2             LFW's View 2: ten folds, each at the threshold of the nine others

    Where the model was trained on people of the view there is no figure, but a line that says so; who is in a CSV file
    is not known. A pair without a face is a non-match (a failure to acquire, ISO/IEC 19795-1); F1 and accuracy are said
    to be what they are were it an error, too. Intervals are 95 %. The probability's errors are as if half of all pairs
    were genuine.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.evaluation.evaluate import evaluate
    from facesim.evaluation.scoring import score
    from facesim.evaluation.summary import as_dict
    from facesim.evaluation.text import evaluation_text
    from facesim.evaluation.trial import open_trial
    from facesim.model import Model

    model = Model(model)
    evaluation = evaluate(score(open_trial(model.info, data, view, pairs, count, seed), model), model)
    click.echo(json.dumps(as_dict(evaluation)) if as_json else evaluation_text(evaluation))
