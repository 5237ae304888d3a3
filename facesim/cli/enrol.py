"""`facesim enrol`: add people to a gallery."""

import json
from collections import Counter

import click

from facesim.cli import verb
from facesim.cli.messages import note, note_several_faces
from facesim.cli.options import GALLERY, GPU, JSON_LINES, MODEL
from facesim.text import pluralise, printable


@verb(status="0 success, 1 a face matches, or a photo already has, another name, 2 trouble (a photo was refused).")
@GALLERY
@click.argument("photos", nargs=-1, required=True)
@click.option("--name", help="Who is on the photos.  [default: the name of the folder that holds each photo]")
@click.option("--depth", type=click.IntRange(1), help="Names are this many folders below the one given.")
@click.option("--strict", is_flag=True, help="Refuse poor photos: small, blurred, nearly black or white faces.")
@MODEL
@GPU
@JSON_LINES
def enrol(address, photos, name, depth, strict, model, gpu, as_json):
    """Add people to a gallery, from one photo each or from many.

    \b
    facesim enrol GALLERY ana.jpg --name "Ana Li"    one photo, or several, of one person
    facesim enrol GALLERY people                     people/NAME/*.jpg, a folder per person, however deep
    facesim enrol GALLERY people --depth 1           people/NAME/*.jpg, people/NAME/2024/*.jpg

    GALLERY is a folder, which is created if need be, or an address such as s3://bucket/gallery. The main face of each
    photo is enrolled; a photo without a face is refused. All photos of a person are compared as one template: three to
    five good ones find the person much better than one. A poor photo is enrolled with a warning, or, with --strict,
    refused; the others are enrolled all the same.

    A face that matches somebody with another name is enrolled, but a line says so: you may have one person under two
    names. Capitals make no difference in names.

    A photo's folder names the person, and folders with the same name are one person. Photos directly in the folder you
    give, hidden files and folders, thumbnails and links to folders are skipped, and counted on stderr.

    Photos that are enrolled already are skipped, so an interrupted run continues where it stopped. A photo that is
    enrolled under another name keeps it, so facesim rename is not undone.
    """
    if name is not None and depth is not None:
        raise click.UsageError("--name says who is on the photos: leave out --depth.")
    from facesim.gallery.people import people_in
    from facesim.gallery.reading import check_new_gallery

    people = people_in(photos, name, depth)
    check_new_gallery(address)
    from tqdm import tqdm

    from facesim.gallery.enrol import enrol as enrolled_photos
    from facesim.gallery.store import open_or_create_gallery
    from facesim.verifier import Verifier

    verifier = Verifier(model, gpu=gpu)
    gallery = open_or_create_gallery(address, verifier.model)
    names, count, alike, refused = set(), 0, 0, 0
    renamed: Counter[tuple[str, str]] = Counter()
    with tqdm(total=len(people), desc="enrolling", unit="photo", disable=len(people) == 1 or None) as bar:
        for photo in enrolled_photos(gallery, verifier, people, strict):
            bar.update()
            if as_json:
                click.echo(json.dumps(photo.as_dict()))
            if photo.error:
                refused += 1
                note(photo.error, bar)
                continue
            if photo.known_as:
                renamed[photo.name, photo.known_as] += 1
                continue
            names.add(photo.name)
            count += 1
            with tqdm.external_write_mode():
                note_several_faces(photo.face, done="enrolled")
            if photo.poor_text:
                note(photo.poor_text, bar)
            if photo.likeness:
                alike += 1
                note(photo.likeness_text, bar)
    for (name, known_as), photos_kept in renamed.items():
        note(
            f"{pluralise(photos_kept, 'photo')} of {name} {'is' if photos_kept == 1 else 'are'} enrolled as "
            f"{known_as} already, and kept so: facesim rename, or forget --photo, changes that."
        )
    if not as_json:
        before = len(people) - count - refused
        summary = f"enrolled {pluralise(count, 'photo')} of {pluralise(len(names), 'person', 'people')}"
        summary += f"; {before:,} were there already" if before else ""
        summary += f"; {refused:,} refused" if refused else ""
        click.echo(f"{summary}. {printable(address)} holds {pluralise(gallery.count_named(), 'named face')}.")
    return 2 if refused else 1 if alike or renamed else 0
