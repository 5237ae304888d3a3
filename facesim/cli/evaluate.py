"""`facesim evaluate`: how accurate a model is, on people that it never saw."""

import json
from pathlib import Path

import click

from facesim.cli import HELP, MODEL, Command
from facesim.cli.protocol_options import BY, with_protocol
from facesim.files import check_apart, check_picture_path, check_writable, save_picture
from facesim.text import printable


@click.command(cls=Command, context_settings=HELP)
@MODEL
@with_protocol
@BY
@click.option("--open-set", is_flag=True, help="Look for people among many, instead of judging pairs.")
@click.option("--enrolled", type=click.IntRange(1), help="People to look among.  [default: those with mated probes]")
@click.option("--probes", type=click.IntRange(2), help="Probes at most.  [default: up to 5 of each person]")
@click.option(
    "--draw", type=click.Path(path_type=Path), help="The picture's file.  [default: open-set.png or groups.png]"
)
@click.option("--record", is_flag=True, help="Write the error rates into the model file that -w names.")
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def evaluate(model, data, view, pairs, count, seed, by, open_set, enrolled, probes, draw, record, as_json):
    """Say how accurate a model is, on people that it never saw.

    \b
    facesim evaluate                      on the people whom its training held out
    facesim evaluate --data pins          on a data set that it was not trained on
    facesim evaluate --data photos        photos/NAME/*.jpg: 1,000 genuine and 1,000 impostor pairs
    facesim evaluate --pairs pairs.csv    lines of photo1,photo2,same
    facesim evaluate --view 2             LFW's View 2: ten folds, each at the threshold of the nine others
    facesim evaluate --data photos --by gender    errors by group, also drawn to groups.png
    facesim evaluate -w my.onnx --data pins --record    write the rates into the model file
    facesim evaluate --open-set           find people among many, strangers among those who come

    Where the model was trained on people of the view there is no figure, but a line that says so; who is in a CSV file
    is not known. A pair without a face is a non-match (a failure to acquire, ISO/IEC 19795-1); F1 and accuracy are said
    to be what they are were it an error, too. Intervals are 95 %. The probability's errors are as if half of all pairs
    were genuine.

    --by: FMR and FNMR at each threshold in the model file, within each group and across groups, and the ratio of the
    worst group's rate to the best group's (docs/groups.md). COLUMN is one of people.csv in the data set's folder
    (identity,COLUMN,...), or of the CSV file of pairs (COLUMN, or COLUMN1 and COLUMN2 for its two photos); or detector,
    the one that found the face; or prefix, what a photo's file name begins with (frontal_03.jpg: frontal). Given twice,
    it makes combined groups. All pairs are taken, or of over a million 100,000 of each kind. A rate on fewer than 100
    pairs is not stated.

    --record: FMR and FNMR at each threshold in the model file, on all pairs and on the groups of --by, are written into
    it, in place of those recorded of the same data; predict --json, identify and sweep state the highest FMR from there
    on. The network stays as it is.

    --open-set: of every person whom the model has not seen and who has two photos or more, one photo is enrolled and
    the others are mated probes; a person's only photo is a non-mated probe. Where people with one photo are fewer than
    half of those with several, some of the latter are not enrolled, until enrolled and unknown are as many, and all
    their photos are non-mated probes. --seed draws all this. --enrolled N adds people whom the model has seen, a photo
    each, until N are enrolled. --probes N are half mated and half non-mated, dealt out in rounds, one of each person a
    round; without it there are five rounds.

    Rank-1 is the share of mated probes whose nearest enrolled face is their own person's. At a threshold, FPIR is the
    share of non-mated probes with any enrolled face under it, and FNIR that of mated probes whose own person is not the
    nearest or not under it (ISO/IEC 19795-1; NIST FRTE). A mated probe counts as missed, too, where it or its person's
    enrolled photo shows no face; a non-mated one without a face is no false positive.

    Exit status: 0 done, 2 trouble.
    """
    from facesim.evaluation.charts import draw_groups
    from facesim.evaluation.formatting import as_dict
    from facesim.evaluation.groups import check_columns
    from facesim.evaluation.protocol import open_protocol
    from facesim.evaluation.recorded import write_measured
    from facesim.evaluation.scoring import score
    from facesim.evaluation.summary import evaluate
    from facesim.evaluation.text import evaluation_text
    from facesim.model import Model

    if open_set:
        if view or pairs or count or by or record:
            other = "--view, --pairs, --count, --by and --record"
            raise click.UsageError(f"--open-set draws its own probes: leave out {other}.")
        _evaluate_open_set(model, data, enrolled, probes, seed, draw or Path("open-set.png"), as_json)
        return
    if enrolled or probes or (draw and not by):
        raise click.UsageError("--enrolled, --probes and --draw belong to --open-set (--draw also to --by): add it.")
    if record and model is None:
        raise click.UsageError("--record changes a model file: name it with -w.")
    draw = draw or Path("groups.png")
    if by:
        check_picture_path(draw)
    model = Model(model)
    if record:
        check_writable(model.path)
    protocol = open_protocol(model.info, data, view, pairs, count, seed, every_pair=bool(by))
    check_columns(protocol, by)
    if by:
        check_apart([draw], protocol.files(model.path, pairs))
    scores = score(protocol, model)
    evaluation = evaluate(scores, model, by)
    result, text = as_dict(evaluation), evaluation_text(evaluation)
    if by:
        save_picture(draw_groups(evaluation.groups, evaluation.protocol), draw)
        result["picture"], text = str(draw), f"{text}\n\ndrawn         {printable(str(draw))}"
    if record:
        write_measured(scores, model, evaluation.groups)
        text += f"\nrecorded      in {printable(str(model.path))}"
    click.echo(json.dumps(result) if as_json else text)


def _evaluate_open_set(model, data, enrolled, probes, seed, picture, as_json):
    from facesim.evaluation.charts import draw_identification
    from facesim.evaluation.formatting import as_dict
    from facesim.evaluation.identification import identify
    from facesim.evaluation.open_set import sample_open_set
    from facesim.evaluation.text import identification_text
    from facesim.model import Model

    check_picture_path(picture)
    model = Model(model)
    open_set = sample_open_set(model.info, data, enrolled, probes, seed)
    check_apart([picture], [model.path, *open_set.source.dataset.paths()])
    found = identify(open_set, model)
    save_picture(draw_identification(found), picture)
    if as_json:
        click.echo(json.dumps(as_dict(found) | {"picture": str(picture)}))
    else:
        click.echo(f"{identification_text(found)}\ndrawn               {printable(str(picture))}")
