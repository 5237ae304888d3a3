"""How fast and how large is facesim, beside its peers and the floor, or beside another commit of its own?

python benchmarks/speed.py
python benchmarks/speed.py --against HEAD~1
"""

# Nothing heavy is imported in this process: see measuring.py.
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import against
import beside
import click
from speed_photos import gather_photos

ON_LFW = {"lfw", "pairs", "evaluate"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only",
    help=f"The parts to run, of {','.join(beside.PARTS)}; with --against, of {','.join(against.PARTS)}.",
)
@click.option(
    "--against", "other", metavar="COMMIT", help="Compare with another commit, or with the folder of another checkout."
)
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Of each pair; the median counts.")
@click.option(
    "--photos",
    "given",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Two photos for the cold and the warm pair, instead of two examples cut to 250×250.",
)
@click.option(
    "--lfw-photos",
    type=click.IntRange(beside.BULK_TURNS),
    help=f"Embed so many of LFW's photos, instead of all; with --against, instead of {against.LFW_PHOTOS}.",
)
@click.option(
    "--peer-photos",
    type=click.IntRange(beside.BULK_TURNS),
    default=400,
    show_default=True,
    help="So many of LFW's photos are for the peers; their time for all is extrapolated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def main(only, other, turns, given, lfw_photos, peer_photos, as_json):
    """Print what facesim takes, beside its peers and beside the floor, as a Markdown table.

    The floor is the libraries called bare on the same photos: imports, a look of the detector, a pass of the network
    (contestants.py). All take turns, so that a busy machine slows all alike; the figures are medians.

    The peers are face_recognition, and OpenCV's YuNet with SFace. Each is installed in a virtual environment of its
    own, in the cache, where there is none yet (peers.py): dlib is compiled for face_recognition, which takes many
    minutes. LFW is looked for where training looks for it, and downloaded where it is missing. What cannot be had is
    left out. The whole table takes about half an hour on two cores.

    --against runs this checkout, uncommitted changes included, and another commit by turns, in some five minutes, and
    says what is slower beyond its interval. "gallery" is `facesim list`, `facesim identify` and the help; "evaluate",
    `facesim evaluate` from an empty cache, takes a minute a turn and is only run if --only names it.

    \b
    python benchmarks/speed.py
    python benchmarks/speed.py --only cold,warm --turns 50
    python benchmarks/speed.py --only cold --photos a.jpg b.jpg
    python benchmarks/speed.py --against HEAD~1 --only cold,gallery
    """
    known = against.PARTS if other else beside.PARTS
    parts = set(only.split(",") if only else known)
    if not only:
        parts -= against.LONG_PARTS
    if unknown := parts - set(known):
        raise click.UsageError(f"--only knows no {', '.join(sorted(unknown))}: the parts are {', '.join(known)}.")
    if other and turns < against.MIN_TURNS:
        raise click.UsageError(f"--against needs --turns {against.MIN_TURNS} or more: fewer say too little.")
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        wanted = lfw_photos or (against.LFW_PHOTOS if other else None)
        photos = gather_photos(Path(folder), given, wanted if parts & ON_LFW else 0, left_out)
        if not photos.lfw:
            parts -= ON_LFW
        if other:
            rows = against.compare_trees(other, parts, turns, photos, Path(folder), left_out)
            lines, notes = against.table(rows, other), against.explanations(turns)
        else:
            rows = beside.compare_tools(parts, turns, photos, peer_photos, Path(folder), left_out)
            lines, notes = beside.table(rows), beside.explanations(parts, turns, min(peer_photos, len(photos.lfw)))
    notes += left_out
    if as_json:
        click.echo(json.dumps({"rows": [asdict(row) for row in rows], "notes": notes}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([*lines, "", *notes]))


if __name__ == "__main__":
    main()
