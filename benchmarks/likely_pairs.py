"""Which groups of faces are one person? By which distance between groups, and how probable is it?

python benchmarks/likely_pairs.py lfw pins hard poses
"""

import itertools
from collections.abc import Callable, Iterator

import click
import numpy as np
from clustering import SEED, Sample, draw, faces_of

from facesim.evaluation.uncertainty import wilson_interval
from facesim.gallery import likely as rule
from facesim.gallery.cluster import cluster, threshold_for
from facesim.gallery.likely import group_log_odds
from facesim.model import Model
from facesim.model_info import ModelInfo

STRICTNESS = (1.0, 0.9)  # times `cluster`'s own threshold: the stricter, the more people are in two groups
PRIORS = (1.0, 2.0, 4.0, 8.0, 16.0)
BINS = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # the groups of each pair, and whether they are one person


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", nargs=-1, required=True)
def main(data):
    """Group the faces of DATA, lfw, pins, or folders with a sub-folder per person, and rank all pairs of groups.

    The groups are those that `facesim cluster` makes of samples of a set, and of all sets together. A pair is true if
    most faces of both are one person's. Measures of distance are compared by how many of the first pairs are true, as
    many as there are true ones. The people of each set are divided in halves: on the first, the measure and the prior
    are chosen; what they bring is printed of the second.
    """
    model = Model()
    halves: list[list[Sample]] = [[], []]
    everybody = [(name.rstrip("/").rpartition("/")[2], *faces_of(model, name)) for name in data]
    embeddings, identities = (np.concatenate([each[i] for each in everybody]) for i in (1, 2))
    for name, faces, people in [*everybody, ("all", embeddings, identities)]:
        shuffled = np.random.default_rng(SEED).permutation(np.unique(people))
        for half, samples in enumerate(halves):
            theirs = np.isin(people, shuffled[half::2])
            samples += draw(name, faces[theirs], people[theirs])[1:]  # the first is all faces
    for title, samples in zip(("to choose", "to check"), halves, strict=True):
        print_measures(title, model.info, samples)
    print_priors(model.info, halves[0])
    print_check(model.info, halves[1])


def nearest(one: np.ndarray, other: np.ndarray) -> float:
    return float(between(one, other).min())


def closest_fifth(one: np.ndarray, other: np.ndarray) -> float:
    distances = np.sort(between(one, other), axis=None)
    return float(distances[: max(1, len(distances) // 5)].mean())


def root_mean_square(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.square(between(one, other)).mean()))


def templates(one: np.ndarray, other: np.ndarray) -> float:
    means = [faces.mean(axis=0) for faces in (one, other)]
    return float(np.linalg.norm(means[0] / np.linalg.norm(means[0]) - means[1] / np.linalg.norm(means[1])))


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(0, 2 - 2 * one @ other.T))


MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "nearest faces": nearest,
    "mean of the closest fifth": closest_fifth,
    "root mean square": root_mean_square,
    "templates": templates,
}


def grouped(info: ModelInfo, sample: Sample, strictness: float) -> tuple[list[np.ndarray], Pairs]:
    """Return the embeddings of each group of several faces, and all pairs of groups."""
    threshold = strictness * threshold_for(info, len(sample.identities))
    groups = [group for group in cluster(sample.embeddings, threshold) if len(group) > 1]
    people = []
    for group in groups:
        names, counts = np.unique(sample.identities[group], return_counts=True)
        people.append(names[counts.argmax()])
    one, other = np.triu_indices(len(groups), 1)
    return [sample.embeddings[group] for group in groups], (
        one,
        other,
        np.array(people)[one] == np.array(people)[other],
    )


def print_measures(title: str, info: ModelInfo, samples: list[Sample]) -> None:
    print(
        f"\n| {title} | threshold | true pairs | " + " | ".join(MEASURES) + " |\n" + "|---" * (3 + len(MEASURES)) + "|"
    )
    for data in dict.fromkeys(sample.data for sample in samples):
        for strictness in STRICTNESS:
            true, hits = 0, dict.fromkeys(MEASURES, 0)
            for sample in samples:
                if sample.data != data:
                    continue
                groups, (one, other, same) = grouped(info, sample, strictness)
                true += same.sum()
                for name, measure in MEASURES.items() if same.any() else ():
                    distances = [measure(groups[i], groups[j]) for i, j in zip(one, other, strict=True)]
                    hits[name] += same[np.argsort(distances, kind="stable")[: same.sum()]].sum()
            shares = " | ".join(share_text(hits[name], true) for name in MEASURES)
            print(f"| {data} | × {strictness} | {true} | {shares} |", flush=True)


def share_text(count: int, whole: int) -> str:
    if not whole:
        return "–"
    low, high = wilson_interval(count, whole)
    return f"{count / whole:.2f} ({low:.2f} to {high:.2f})"


def log_odds_of(info: ModelInfo, samples: list[Sample]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield, for each sample, its data, the log odds of all pairs of groups, and which pairs are true."""
    for strictness in STRICTNESS:
        for sample in samples:
            groups, (one, other, same) = grouped(info, sample, strictness)
            if len(same):
                means = np.array([group.mean(axis=0) for group in groups])
                yield sample.data, group_log_odds(info, means, means, len(groups))[one, other], same


def print_priors(info: ModelInfo, samples: list[Sample]) -> None:
    print("\n| prior odds, to the number of groups | log loss per pair |\n|---|---|")
    chosen = rule.PRIOR
    for rule.PRIOR in PRIORS:
        log_odds, same = (np.concatenate(each) for each in list(zip(*log_odds_of(info, samples), strict=True))[1:])
        print(f"| {rule.PRIOR:g} | {np.logaddexp(0, np.where(same, -log_odds, log_odds)).mean():.5f} |", flush=True)
    rule.PRIOR = chosen


def print_check(info: ModelInfo, samples: list[Sample]) -> None:
    found = list(log_odds_of(info, samples))
    print("\n| set | stated | pairs | mean stated | true |\n|---|---|---|---|---|")
    for data in dict.fromkeys(name for name, _, _ in found):
        log_odds, same = (np.concatenate([each[i] for each in found if each[0] == data]) for i in (1, 2))
        stated = 1 / (1 + np.exp(-log_odds))
        for low, high in itertools.pairwise(BINS):
            here = (stated >= low) & (stated < high if high < 1 else True)
            mean = f"{stated[here].mean():.3f}" if here.any() else "–"
            true = share_text(int(same[here].sum()), int(here.sum()))
            print(f"| {data} | {low:g} to {high:g} | {here.sum():,} | {mean} | {true} |", flush=True)
    print("\nWilson's 95 % intervals; as samples share people, the true ones are wider.")


if __name__ == "__main__":
    main()
