"""What is gained where two faces on one photo are never called one person?

python benchmarks/group_photos.py lfw pins
"""

from collections.abc import Iterator

import click
import numpy as np
from clustering import bcubed, f_of, faces_of, pairwise
from PIL import Image

from facesim.data.source import find_photos
from facesim.gallery.cluster import cluster, threshold_for
from facesim.model import Model
from facesim.verifier import Verifier

SIDE = 250  # pixels, of each person's part of a group photo
TOGETHER = 4  # people, who look alike, as families do
MAX_PHOTOS = 8  # of the same people
SEED = 0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", nargs=-1, required=True)
@click.option("--photos", "count", default=100, show_default=True, help="Group photos to make of each data set.")
def main(data, count):
    """Make group photos of those in DATA, side by side, and print how well `facesim cluster` groups the faces on them.

    Of LFW only people whom the model has not seen count. Four people who look alike are together on up to eight photos,
    each time by another photo of theirs. The faces are grouped with --allow-twice and without.
    """
    verifier = Verifier()
    print("| set | photos | faces | threshold | --allow-twice: photos with one person twice | F | B-cubed F ", end="")
    print("| default: the same | F | B-cubed F |\n" + "|---" * 10 + "|")
    for name in data:
        embeddings, identities, photos = embed_group_photos(verifier, name, count)
        people = np.unique(identities, return_inverse=True)[1]
        default = threshold_for(verifier.model.info, len(embeddings))
        for threshold in (default, verifier.threshold):
            cells = [name.rstrip("/").rpartition("/")[2], f"{count}", f"{len(embeddings)}", f"{threshold:.3f}"]
            for photo_of in (None, photos):
                labels = np.empty(len(embeddings), int)
                groups = cluster(embeddings, threshold, photo_of)
                for number, group in enumerate(groups):
                    labels[group] = number
                twice = len({photo for group in groups for photo in repeated([photos[i] for i in group])})
                cells += [f"{twice}", f"{pairwise(labels, people)[2]:.3f}", f"{f_of(*bcubed(labels, people)):.3f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


def repeated(photos: list[str]) -> set[str]:
    return {photo for photo in photos if photos.count(photo) > 1}


def embed_group_photos(verifier: Verifier, data: str, count: int) -> tuple[np.ndarray, list[str], list[str]]:
    """Return the embeddings of the faces on group photos, `(n, d)`, and for each face its person and its photo."""
    embeddings, identities, photos = [], [], []
    for number, shown in zip(range(count), draw_group_photos(verifier.model, data), strict=False):
        photo = Image.new("RGB", (SIDE * len(shown), SIDE))
        for place, (_, path) in enumerate(shown):
            with Image.open(path) as one:
                photo.paste(one.convert("RGB").resize((SIDE, SIDE)), (SIDE * place, 0))
        found = verifier.embed_faces(photo, "all")
        middles = np.array([((face.box.left + face.box.right) / 2) for face in found.faces])
        for place, (person, _) in enumerate(shown):
            nearest = int(np.abs(middles - SIDE * (place + 0.5)).argmin())
            if abs(middles[nearest] - SIDE * (place + 0.5)) < SIDE / 4:  # else the person's face was not found
                embeddings.append(found.embeddings[nearest])
                identities.append(person)
                photos.append(f"{number}")
    return np.array(embeddings), identities, photos


def draw_group_photos(model: Model, data: str) -> Iterator[list[tuple[str, str]]]:
    """Yield for each group photo who is on it, and by which photo of theirs: at least two people."""
    dataset, rng = find_photos(data), np.random.default_rng(SEED)
    paths: dict[str, list[str]] = {}
    for person, path in zip(dataset.identities.tolist(), dataset.paths(), strict=True):
        paths.setdefault(person, []).append(str(path))
    embeddings, identities = faces_of(model, data)
    several = [person for person in np.unique(identities).tolist() if len(paths[person]) > 1]
    mean = {person: embeddings[identities == person].mean(axis=0) for person in rng.permutation(several).tolist()}
    while mean:
        first = next(iter(mean))
        alike = sorted(mean, key=lambda person: -mean[person] @ mean[first])[:TOGETHER]
        for person in {*alike, first}:
            del mean[person]
        drawn = {person: rng.permutation(paths[person]).tolist() for person in alike}
        for number in range(MAX_PHOTOS):
            shown = [(person, drawn[person][number]) for person in alike if number < len(drawn[person])]
            if len(shown) > 1:
                yield shown


if __name__ == "__main__":
    main()
