"""`facesim embed`: add whole collections of photos to a gallery, without names."""

import json

import click

from facesim.cli import verb
from facesim.cli.options import GPU, JSON, MODEL, faces_option
from facesim.text import pluralise, printable


@verb(status="0 success, 2 trouble (some photos could not be read; the others are done).")
@click.argument("photos", nargs=-1, required=True)
@click.option("--to", "address", metavar="GALLERY", required=True, help="The gallery: a folder or an address.")
@click.option("--engine", type=click.Choice(("local", "ray")), default="local", show_default=True, help="Where to run.")
@faces_option("all")
@MODEL
@GPU
@JSON
def embed(photos, address, engine, selection, model, gpu, as_json):
    """Embed all faces on PHOTOS, files or folders of them, and add them to a gallery, without names.

    \b
    facesim embed photos --to GALLERY
    RAY_ADDRESS=auto facesim embed /shared/photos --to /shared/gallery --engine ray

    facesim search and facesim cluster find them again. Folders are read with all their sub-folders; hidden files and
    folders, thumbnails and links to folders are skipped, and counted on stderr.

    Photos that are in the gallery already and have not changed are skipped, including those without a face, so an
    interrupted run continues where it stopped. If a photo's size or times differ, its content decides whether it has
    changed. If you run several processes, give each its own photos.

    The engine local uses all cores of this machine. The engine ray uses the cluster that RAY_ADDRESS names, or starts
    one on this machine. Its workers need facesim with the extra ray, and must find photos and gallery under the same
    paths.
    """
    if engine == "ray" and gpu >= 0:
        raise click.UsageError("Ray's workers embed on CPUs: leave out --gpu.")
    from facesim.gallery.reading import check_new_gallery

    count = count_photos(photos)
    check_new_gallery(address)
    from facesim.gallery.store import open_or_create_gallery
    from facesim.verifier import Verifier

    verifier = Verifier(model, gpu=gpu)
    gallery = open_or_create_gallery(address, verifier.model)
    done = embed_with_bar(gallery, verifier, photos, count, selection, engine)
    before = count - done.photo_count
    if as_json:
        sums = {"faces": done.face_count, "with_face": done.with_face, "without_face": done.without_face}
        click.echo(json.dumps(sums | {"unreadable": done.unreadable, "known_before": before}))
    else:
        click.echo(
            f"{pluralise(done.face_count, 'face')} from {pluralise(done.with_face, 'photo')}; "
            f"{done.without_face:,} show none, {done.unreadable:,} could not be read, "
            f"{before:,} were in {printable(address)} already."
        )
    return 2 if done.unreadable else 0


def count_photos(photos):
    """Return how many photos there are; raises FaceSimError where there is none."""
    from facesim.folder import photos_at

    return sum(1 for _ in photos_at(photos))


def embed_with_bar(gallery, verifier, photos, count, selection, engine="local"):
    """Embed photos into a gallery behind a progress bar; return the `EmbedCounts` of those that it did not have."""
    from tqdm import tqdm

    from facesim.folder import photos_at
    from facesim.gallery.embed import EmbedCounts, embed_locally, pending_photos

    if engine == "ray":
        from facesim.gallery.ray_engine import embed_by_ray as embed_photos
    else:
        embed_photos = embed_locally
    done = EmbedCounts()
    with tqdm(total=count, desc="embedding", unit="photo", disable=None) as bar:
        pending = pending_photos(gallery, photos_at(photos), bar.update)
        for counts in embed_photos(gallery, verifier, pending, selection):
            done += counts
            bar.update(counts.photo_count)
    return done
