"""`facesim calibrate`: a threshold, a probability and operating points for one's own photos."""

import json

import click

from facesim.cli import verb
from facesim.cli.options import JSON, MODEL, PAIRS, SEED, checked_data, output_option
from facesim.files import check_writable


@verb()
@MODEL
@click.option(
    "--data",
    multiple=True,
    callback=checked_data,
    help="A folder with a sub-folder of photos per identity, lfw, or pins.",
)
@click.option("--pairs", type=PAIRS, metavar="FILE", help="Instead: a CSV file of pairs, photo1,photo2,same (1 or 0).")
@output_option("The model file to write.", required=True)
@click.option("--max-f1", is_flag=True, help="Choose the threshold with the highest F1.  [default]")
@click.option("--eer", is_flag=True, help="Choose the threshold at which FMR and FNMR are equal.")
@click.option(
    "--target-fmr",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Choose it for this FMR: 0.001, say.",
)
@SEED
@JSON
def calibrate(model, data, pairs, output, max_f1, eer, target_fmr, seed, as_json):
    """Choose a model's threshold, probability and operating points for your own photos. The network stays as it is.

    \b
    facesim calibrate --data photos -o mine.onnx                      photos/NAME/*.jpg
    facesim calibrate --data photos -o mine.onnx --target-fmr 0.001   at most one in a thousand strangers matches
    facesim calibrate --pairs pairs.csv -o mine.onnx                  lines of photo1,photo2,same
    facesim predict a.jpg b.jpg -w mine.onnx

    One half of the people chooses, and the other half checks: the table shows their errors before and after. Where
    people are too few for halves, everybody chooses, and is checked at the thresholds that others choose. It takes 10
    people with two photos or more, 50 genuine and 500 impostor pairs; an operating point takes ten false matches.

    Where photos are few, the result is held to what the model came with: the threshold moves only as far as these
    people are sure of it, and the slope of the probability from before is worth 100 genuine pairs. People whom the
    model was trained on are left out; those who choose are named in the file, and evaluate leaves them out. A CSV file
    does not say who is on the photos: its intervals take pairs as independent. Galleries of the model stay valid.
    """
    if max_f1 + eer + (target_fmr is not None) > 1:
        raise click.UsageError("--max-f1, --eer and --target-fmr are three ways to choose: give one of them.")
    if not data and pairs is None:
        raise click.UsageError("name the photos to calibrate on: --data FOLDER, or --pairs FILE.")
    if data and pairs is not None:
        raise click.UsageError(f"{pairs} already says which pairs to use: leave out --data.")
    check_writable(output)

    from facesim.evaluation.calibrate.calibrate import calibrate as calibrate_model
    from facesim.evaluation.calibrate.choice import EER, MAX_F1
    from facesim.evaluation.calibrate.text import calibration_text
    from facesim.evaluation.formatting import as_dict
    from facesim.model import Model

    criterion = target_fmr if target_fmr is not None else EER if eer else MAX_F1
    result = calibrate_model(output, Model(model), data, pairs, criterion, seed)
    click.echo(json.dumps(as_dict(result)) if as_json else calibration_text(result))
