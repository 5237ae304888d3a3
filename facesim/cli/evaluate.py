"""`facesim evaluate`: how accurate a model is on people it has never seen."""

import json
from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.options import BY, JSON, MODEL, draw_option, protocol_options
from facesim.evaluation.arguments import check_arguments
from facesim.files import check_apart, check_picture_path, check_writable, save_picture
from facesim.text import printable


@verb()
@MODEL
@protocol_options
@BY
@click.option("--open-set", is_flag=True, help="Identify people among many, instead of comparing pairs.")
@click.option("--enrolled", type=click.IntRange(1), help="People to enrol.  [default: those with mated probes]")
@click.option("--probes", type=click.IntRange(2), help="Probes at most.  [default: up to 5 of each person]")
@draw_option("The picture, with --open-set or --by.  [default: open-set.png or groups.png]")
@click.option("--record", is_flag=True, help="Write the error rates into the model file that -w names.")
@JSON
def evaluate(model, data, view, pairs, count, seed, by, open_set, enrolled, probes, draw, record, as_json):
    """Measure how accurate a model is on people it has never seen.

    \b
    facesim evaluate                      on the people whom training held out
    facesim evaluate --data pins          on a data set that it was not trained on
    facesim evaluate --data photos        photos/NAME/*.jpg: 1,000 genuine and 1,000 impostor pairs
    facesim evaluate --pairs pairs.csv    lines of photo1,photo2,same
    facesim evaluate --view 2             LFW's View 2: ten folds, each at the threshold of the nine others
    facesim evaluate --data photos --by gender    errors by group, also drawn to groups.png
    facesim evaluate -w my.onnx --data pins --record    write the rates into the model file
    facesim evaluate --open-set           find people among many, with strangers among the probes

    If the model was trained on people of the view, no figure is given. A CSV file does not say who is in it, so nobody
    can check that there. A pair in which no face is found counts as a non-match (a failure to acquire, ISO/IEC
    19795-1); F1 and accuracy are also given with such pairs as errors. Intervals are 95 %. Calibration is measured as
    if half of all pairs were genuine.

    --by states FMR and FNMR at each threshold in the model file, by group. COLUMN is one of people.csv in the data
    set's folder (identity,COLUMN,...), or of the CSV file of pairs (COLUMN, or COLUMN1 and COLUMN2 for its two photos);
    or detector, which detector found the face; or prefix, what a photo's file name begins with (frontal_03.jpg:
    frontal). Given twice, it makes combined groups. See docs/groups.md.

    --record writes FMR and FNMR, on all pairs and by group, into the model file, and replaces those recorded on the
    same data. From then on predict --json, identify and sweep state the highest FMR. The network does not change.

    --open-set enrols one photo of each person whom the model has not seen, and searches for their other photos and for
    people who are not enrolled: rank-1, FPIR and FNIR (ISO/IEC 19795-1; NIST FRTE). --enrolled adds people whom the
    model has seen, up to that number. See docs/evaluation.md.
    """
    if open_set and (view or pairs or count or by or record):
        other = "--view, --pairs, --count, --by and --record"
        raise click.UsageError(f"--open-set draws its own probes: leave out {other}.")
    if not open_set and (enrolled or probes or (draw and not by)):
        raise click.UsageError("--enrolled, --probes and --draw belong to --open-set (--draw also to --by): add it.")
    if record and model is None:
        raise click.UsageError("--record changes a model file: name it with -w.")
    draw = draw or Path("open-set.png" if open_set else "groups.png")
    if open_set or by:
        check_picture_path(draw)
    check_arguments(data, view, pairs, count)

    from facesim.evaluation.formatting import as_dict
    from facesim.evaluation.groups import check_columns
    from facesim.evaluation.identification import identify
    from facesim.evaluation.open_set import sample_open_set
    from facesim.evaluation.protocol import open_protocol
    from facesim.evaluation.recorded import write_measured
    from facesim.evaluation.scoring import score
    from facesim.evaluation.summary import evaluate
    from facesim.evaluation.text import evaluation_text, identification_text
    from facesim.model import Model

    opened = Model(model)
    if record:
        check_writable(opened.path)
    if open_set:
        sample = sample_open_set(opened.info, data, enrolled, probes, seed)
        check_apart([draw], [opened.path, *sample.source.dataset.paths()])
        found = identify(sample, opened)
        from facesim.evaluation.charts import draw_identification

        save_picture(draw_identification(found), draw)
        result, text = as_dict(found) | {"picture": str(draw)}, identification_text(found)
        text += f"\ndrawn               {printable(str(draw))}"
    else:
        protocol = open_protocol(opened.info, data, view, pairs, count, seed, every_pair=bool(by))
        check_columns(protocol, by)
        if by:
            check_apart([draw], protocol.files(opened.path, pairs))
        scores = score(protocol, opened)
        evaluation = evaluate(scores, opened, by)
        result, text = as_dict(evaluation), evaluation_text(evaluation)
        if evaluation.groups:
            from facesim.evaluation.charts import draw_groups

            save_picture(draw_groups(evaluation.groups, evaluation.protocol), draw)
            result["picture"] = str(draw)
            text += f"\n\ndrawn         {printable(str(draw))}"
        if record:
            write_measured(scores, opened, evaluation.groups)
            text += f"\nrecorded      in {printable(str(opened.path))}"
    click.echo(json.dumps(result) if as_json else text)
