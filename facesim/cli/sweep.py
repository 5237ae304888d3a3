"""`facesim sweep`: what every threshold costs, on a page with a slider."""

import json
from pathlib import Path

import click

from facesim.cli import verb
from facesim.cli.options import BY, JSON, MODEL, output_option, protocol_options
from facesim.evaluation.arguments import check_arguments
from facesim.files import check_apart, check_folder


@verb()
@MODEL
@protocol_options
@BY
@output_option("The report's folder.  [default: sweep-DATA]", metavar="FOLDER")
@click.option("--errors", type=click.IntRange(0), default=50, show_default=True, help="Errors to show of each kind.")
@JSON
def sweep(model, data, view, pairs, count, seed, by, output, errors, as_json):
    """Show what every threshold costs: how many genuine pairs it misses, how many impostor pairs it matches.

    \b
    facesim sweep                      on the people whom training held out
    facesim sweep --data photos        on your own: photos/NAME/*.jpg
    facesim sweep --pairs pairs.csv    lines of photo1,photo2,same
    facesim sweep --data photos --by gender    errors by group, as photos/people.csv has them

    Writes a folder: index.html, a page that works offline, with a slider, charts and the worst errors; sweep.csv, a
    line per threshold; metrics.json, which --json prints, too; and every chart as a PNG. With --by, the page,
    metrics.json and groups.png show errors by group (facesim evaluate --help); a rate on fewer than 100 pairs is not
    stated.
    """
    if output:
        check_folder(output)
    check_arguments(data, view, pairs, count)
    from facesim.evaluation.groups import check_columns
    from facesim.evaluation.protocol import open_protocol
    from facesim.evaluation.scoring import score
    from facesim.evaluation.sweep.report import FILES, as_text, write_report
    from facesim.model import Model

    model = Model(model)
    protocol = open_protocol(model.info, data, view, pairs, count, seed, every_pair=bool(by))
    check_columns(protocol, by)
    folder = output or Path(f"sweep-{protocol.source.dataset.name}")
    check_folder(folder)
    check_apart([folder / name for name in FILES], protocol.files(model.path, pairs))
    report = write_report(score(protocol, model), model, folder, errors, by)
    click.echo(json.dumps(report.metrics) if as_json else as_text(report))
