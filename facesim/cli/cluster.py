"""`facesim cluster`: group photos by who is on them."""

import csv
import json
import shlex
from typing import NamedTuple

import click

from facesim.cli import verb
from facesim.cli.embed import count_photos, embed_with_bar
from facesim.cli.messages import note
from facesim.cli.options import (
    ALLOW_TWICE,
    GPU,
    JSON_LINES,
    MODEL,
    draw_option,
    faces_option,
    output_option,
    threshold_option,
)
from facesim.detector.box import box_text
from facesim.errors import FaceSimError, NoFaceError
from facesim.files import (
    check_apart,
    check_picture_path,
    check_writable,
    same_file,
    save_picture,
    utf8_text,
    write_whole,
)
from facesim.text import pluralise, printable, shortened

_MAX_PAIRS_SHOWN = 5
_NAME_WIDTH = 20


class _Group(NamedTuple):
    rows: list
    name: str | None = None  # of the person in the gallery
    new_count: int = 0  # faces that had no name before


@verb(status="0 success, 2 trouble (some photos could not be read; the others are grouped).")
@click.argument("photos", nargs=-1, required=True)
@click.option("--to", "address", metavar="GALLERY", help="Make people of the groups in this gallery, by number.")
@threshold_option("by the number of faces")
@faces_option("all")
@ALLOW_TWICE
@MODEL
@GPU
@output_option("Write group, photo, box and name of each face as CSV.")
@draw_option("Draw the faces, group by group.")
@JSON_LINES
def cluster(photos, address, threshold, selection, allow_twice, model, gpu, output, draw, as_json):
    """Group the faces on PHOTOS by person: files, folders of them, or a gallery.

    \b
    facesim cluster holiday --draw groups.png    photos in a folder
    facesim cluster GALLERY -o groups.csv        all faces in a gallery
    facesim cluster holiday --to GALLERY         add the faces to a gallery, as Person 1, Person 2, …
    facesim cluster GALLERY --to GALLERY         the same for the faces that are in it already

    Nobody needs to be known. A group is meant to be one person, but some people are split into two groups, and people
    who look alike may share one: check the picture that --draw makes. A face that matches no other is a group of one.
    Two faces on one photo are two people, and in two groups, unless --allow-twice is given. Pairs of groups that may
    be one person are listed at the end.

    With --to, groups of two faces or more become people in GALLERY, which is created if need be: rename gives them
    names, and rename --merge joins two. Run it again when there are more photos: faces that have a name keep it, new
    ones join the person in whose group they are, and new groups get numbers that nobody has had before.

    Without -t, the threshold follows from the model's false match rates and is stricter the more faces there are.
    """
    if draw:
        check_picture_path(draw)
    if output:
        check_writable(output)
    from facesim.folder import check_some_exist
    from facesim.gallery.reading import check_new_gallery
    from facesim.gallery.tables import is_remote

    if not any(map(is_remote, photos)):
        check_some_exist(photos)
    if address:
        check_new_gallery(address)
    from facesim.gallery.picture import draw_groups
    from facesim.verifier import Verifier

    written = [path for path in (output, draw) if path]
    verifier = Verifier(model, threshold, gpu)
    check_apart(written, [verifier.model.path, *photos])
    find = _groups_named if address else _groups_found
    groups, pairs, failed = find(photos, address, verifier, threshold, selection, allow_twice)
    check_apart(written, (row.photo for group in groups for row in group.rows))  # a gallery's photos
    if output:
        with write_whole(output) as scratch, utf8_text(open(scratch, "wb")) as file:
            writer = csv.writer(file)
            writer.writerow(("group", "photo", "box", "name"))
            for number, group in enumerate(groups, 1):
                writer.writerows((number, row.photo, box_text(row.face.box), row.name) for row in group.rows)
    if draw:
        save_picture(draw_groups([group.rows for group in groups], [group.name for group in groups]), draw)
    if as_json:
        _print_json(groups, pairs)
    else:
        _print_people(groups, address) if address else _print_groups(groups)
        _print_pairs(groups, pairs, address)
    return 2 if failed else 0


def _groups_found(photos, _, verifier, threshold, selection, allow_twice):
    """Group the faces on photos, or in galleries; return the groups, the likely pairs, and how many photos failed."""
    from tqdm import tqdm

    from facesim.gallery.cluster import group_rows, threshold_for
    from facesim.gallery.embed import faces_on
    from facesim.gallery.likely import likely_pairs

    rows, failed = [], 0
    with tqdm(desc="embedding", unit="photo", disable=None) as bar:
        for found in faces_on(photos, verifier, selection):
            bar.update()
            if isinstance(found, FaceSimError):
                failed += not isinstance(found, NoFaceError)
                note(found, bar)
            else:
                rows += found
    info = verifier.model.info
    threshold = threshold_for(info, len(rows)) if threshold is None else threshold
    groups = group_rows(rows, threshold, allow_twice) if rows else _no_faces(photos)
    several = [group for group in groups if len(group) > 1]
    return [*map(_Group, groups)], likely_pairs(several, info, allow_twice=allow_twice), failed


def _groups_named(photos, address, verifier, threshold, selection, allow_twice):
    """Add photos to a gallery, unless they are the gallery, and name its groups; return the same."""
    from facesim.gallery.naming import name_groups
    from facesim.gallery.reading import is_gallery
    from facesim.gallery.store import open_gallery, open_or_create_gallery

    failed = 0
    if all(path == address or same_file(path, address) for path in photos):
        gallery = open_gallery(address, verifier.model)
    else:
        for path in filter(is_gallery, photos):
            raise FaceSimError(f"{printable(path)} is a gallery: give --to {printable(path)}, or give photos.")
        count = count_photos(photos)
        gallery = open_or_create_gallery(address, verifier.model)
        failed = embed_with_bar(gallery, verifier, photos, count, selection).unreadable
    if failed:
        note(f"{pluralise(failed, 'photo')} could not be read.")
    naming = name_groups(gallery, verifier.model.info, threshold, allow_twice)
    if not (naming.people or naming.unnamed):
        _no_faces(photos)
    groups = [_Group(person.rows, person.name, person.new_count) for person in naming.people]
    groups += [_Group([row]) for row in naming.unnamed]
    return groups, naming.likely_pairs(verifier.model.info, allow_twice), failed


def _no_faces(photos):
    raise FaceSimError(f"no face was found in {', '.join(photos)}: there is nothing to group.")


def _print_json(groups, pairs):
    likely: list[list[dict]] = [[] for _ in groups]
    for pair in pairs:
        likely[pair.one].append({"group": pair.other + 1, **pair.as_dict()})
    for number, group in enumerate(groups, 1):
        members = [{"photo": row.photo, "box": row.face.box._asdict(), "name": row.name} for row in group.rows]
        named = {"name": group.name, "new_faces": group.new_count} if group.name else {}
        click.echo(json.dumps({"group": number, **named, "faces": members, "likely_same": likely[number - 1]}))


def _print_groups(groups):
    several = [(number, group) for number, group in enumerate(groups, 1) if len(group.rows) > 1]
    alone = pluralise(len(groups) - len(several), "face")
    click.echo(f"{_faces(groups)}: {pluralise(len(several), 'group')}, and {alone} alone.")
    for number, group in several:
        click.echo(f"{number:>6}  {len(group.rows):>6} faces  {_first_photos(group)}")


def _print_people(groups, address):
    people = [group for group in groups if group.name]
    started = [group for group in people if group.new_count == len(group.rows)]
    joined = sum(group.new_count for group in people) - sum(group.new_count for group in started)
    click.echo(
        f"{printable(address)} has {_faces(groups)}: {pluralise(len(people), 'person', 'people')}, "
        f"{len(started):,} of them new, and {pluralise(len(groups) - len(people), 'face')} without a name."
        + (f" {pluralise(joined, 'face')} joined people who were there." if joined else "")
    )
    for group in people:
        if group.new_count:
            new = f"{group.new_count:>6,} new" if group.new_count < len(group.rows) else " " * 10
            name = shortened(group.name, _NAME_WIDTH)
            click.echo(f"  {name:<{_NAME_WIDTH}}  {len(group.rows):>6,} faces{new}  {_first_photos(group)}")


def _faces(groups):
    return pluralise(sum(len(group.rows) for group in groups), "face")


def _first_photos(group):
    return ", ".join(printable(row.photo) for row in group.rows[:3]) + (", …" if len(group.rows) > 3 else "")


def _print_pairs(groups, pairs, address):
    """List the most probable pairs and, where the groups have names, the command that joins each."""
    from facesim.gallery.naming import NUMBERED
    from facesim.verifier import probability_text

    if pairs:
        click.echo("\nmaybe one person, the most probable first:")
    for pair in pairs[:_MAX_PAIRS_SHOWN]:
        one, other = groups[pair.one], groups[pair.other]
        names = [group.name or f"group {i + 1}" for group, i in ((one, pair.one), (other, pair.other))]
        closest = ", ".join(printable(row.photo) for row in pair.faces)
        click.echo(
            f"{probability_text(pair.probability):>13}  {' and '.join(names)}, at {pair.distance:.3f}: {closest}"
        )
        if address:
            kept, joined = sorted(names, key=lambda name: bool(NUMBERED.fullmatch(name)))
            words = ("facesim", "rename", address, joined, kept, "--merge")
            click.echo(f"{'':15}{shlex.join(words)}")
    if len(pairs) > _MAX_PAIRS_SHOWN:
        click.echo(f"  … and {len(pairs) - _MAX_PAIRS_SHOWN:,} more: --json lists them.")
