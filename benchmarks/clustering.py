"""How well are faces grouped by person, and by which threshold for how many faces?

python benchmarks/clustering.py lfw pins
"""

from dataclasses import dataclass

import click
import numpy as np

from facesim.data.cache import cached_crops
from facesim.data.source import find_photos
from facesim.evaluation.scoring import embed_crops
from facesim.gallery import cluster as rule
from facesim.gallery.cluster import cluster, threshold_for
from facesim.model import Model

SIZES = (50, 150, 500, 1500)
DRAWN = 4000  # faces in all the samples of one size
FEW = 5  # photos of a person, at most, in every other sample
SMALL_FMRS = (0.0002, 0.0005, 0.0008, 0.001, 0.0012, 0.002, 0.004)
GROWTHS = (0.5, 0.75, 1.0)
SEED = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Faces of some people of a data set, `(n, d) float32`, and who they are, `(n,)`."""

    data: str
    embeddings: np.ndarray
    identities: np.ndarray


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", nargs=-1, required=True)
def main(data):
    """Print how well `facesim cluster` groups the faces of DATA: lfw, pins, or folders with a sub-folder per person.

    Of LFW only people whom the model has not seen count. The people of each set are divided in halves. On the first,
    the rule by which the threshold follows the number of faces is chosen, as the one with the best mean pairwise F;
    what it brings is printed of the second.
    """
    model = Model()
    halves = [[], []]
    for name in data:
        embeddings, identities = faces_of(model, name)
        people = np.random.default_rng(SEED).permutation(np.unique(identities))
        for half, samples in enumerate(halves):
            theirs = np.isin(identities, people[half::2])
            samples += draw(name.rstrip("/").rpartition("/")[2], embeddings[theirs], identities[theirs])
    print_choice(model, halves[0])
    print_check(model, halves[1])


def faces_of(model: Model, data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a data set's embeddings, `(n, d)`, and their identities, `(n,)`, of photos with a face."""
    dataset = find_photos(data)
    photos = np.arange(len(dataset.photos))
    if data == "lfw":
        photos = photos[np.isin(dataset.identities, model.info.trained_on["test_identities"])]
    embeddings = embed_crops(model, cached_crops(dataset, photos), photos)
    found = ~np.isnan(embeddings).any(axis=1)
    return embeddings[found], np.asarray(dataset.identities)[photos][found]


def draw(data: str, embeddings: np.ndarray, identities: np.ndarray) -> list[Sample]:
    """Draw samples of all sizes: whole people, or a few photos of each, until there are so many faces; and all."""
    rng = np.random.default_rng(SEED)
    samples = [Sample(data, embeddings, identities)]
    for size in SIZES:
        for number in range(max(2, DRAWN // size // 4)):
            chosen = []
            for person in rng.permutation(np.unique(identities)):
                photos = rng.permutation(np.flatnonzero(identities == person))
                chosen += photos[: FEW if number % 2 else None].tolist()
            if len(chosen) >= size:
                samples.append(Sample(data, embeddings[chosen[:size]], identities[chosen[:size]]))
    return samples


def print_choice(model: Model, samples: list[Sample]) -> None:
    print("| FMR for 50 faces | falls with the number of faces to the power of | mean F |\n|---|---|---|")
    chosen = rule.SMALL_FMR, rule.GROWTH
    for rule.GROWTH in GROWTHS:
        for rule.SMALL_FMR in SMALL_FMRS:
            scores: dict[tuple[str, int], list[float]] = {}
            for sample in samples:
                size = len(sample.identities)
                f = pairwise(*grouped(sample, threshold_for(model.info, size)))[2]
                scores.setdefault((sample.data, size), []).append(f)
            mean = np.mean([np.mean(each) for each in scores.values()])  # every set and size counts the same
            print(f"| {rule.SMALL_FMR:.5f} | {rule.GROWTH} | {mean:.4f} |", flush=True)
    rule.SMALL_FMR, rule.GROWTH = chosen


def print_check(model: Model, samples: list[Sample]) -> None:
    strictest = min(point.threshold for point in model.info.operating_points)
    print("\n| set | faces | samples | F at the strictest | threshold | precision | recall | F | B-cubed F |")
    print("|---" * 9 + "|")
    for data, size in dict.fromkeys((sample.data, len(sample.identities)) for sample in samples):
        same = [sample for sample in samples if (sample.data, len(sample.identities)) == (data, size)]
        threshold = threshold_for(model.info, size)
        before = np.mean([pairwise(*grouped(sample, strictest))[2] for sample in same])
        labels = [grouped(sample, threshold) for sample in same]
        scores = np.mean([(*pairwise(*each), f_of(*bcubed(*each))) for each in labels], axis=0)
        figures = " | ".join(f"{score:.3f}" for score in scores)
        print(f"| {data} | {size:,} | {len(same)} | {before:.3f} | {threshold:.3f} | {figures} |", flush=True)
    print("\nPairwise precision and recall, and B-cubed (Bagga and Baldwin 1998); means of the samples.")


def grouped(sample: Sample, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each face's group, and that of its person, `(n,)` each."""
    labels = np.empty(len(sample.identities), int)
    for number, group in enumerate(cluster(sample.embeddings, threshold)):
        labels[group] = number
    return labels, np.unique(sample.identities, return_inverse=True)[1]


def shared_faces(labels: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return how many faces each group has of each person, `(groups, people)`."""
    shared = np.zeros((labels.max() + 1, people.max() + 1))
    np.add.at(shared, (labels, people), 1)
    return shared


def pairwise(labels: np.ndarray, people: np.ndarray) -> tuple[float, float, float]:
    """Return the share of pairs in one group that are one person's, the other way round, and F."""
    shared = shared_faces(labels, people)
    right, grouped_pairs, genuine = ((n * (n - 1)).sum() for n in (shared, shared.sum(1), shared.sum(0)))
    precision, recall = right / grouped_pairs if grouped_pairs else 1.0, right / genuine
    return precision, recall, f_of(precision, recall)


def bcubed(labels: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """Return of a face's group the share that is its person, the other way round, as means over faces."""
    shared = shared_faces(labels, people)
    precision, recall = ((shared**2 / shared.sum(axis, keepdims=True)).sum() / len(labels) for axis in (1, 0))
    return precision, recall


def f_of(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


if __name__ == "__main__":
    main()
