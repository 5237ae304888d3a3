"""What a run says about its photos before the work: who trains, and whether the others are enough to judge it."""

import sys

import numpy as np
from tqdm import tqdm

from facesim.data.source import Source
from facesim.data.split import Split
from facesim.errors import FaceSimError
from facesim.evaluation.model_rates import measured_pairs
from facesim.text import pluralise, shortened
from facesim.training.checks import check_start_is_unbiased
from facesim.training.reference import NONE, Reference
from facesim.training.settings import Settings
from facesim.training.start import begun_from_model

LARGE_SHARE = 0.25  # of the photos to train on, in one person's hands
FOLDS = 5  # proposed where too few people choose the threshold


def print_notes(settings: Settings, source: Source, splits: list[Split], reference: Reference | None) -> None:
    """Print on stderr who trains, and what cannot be tested."""
    notes = [*_people(settings, source, splits), *_strangers(settings, source, reference)]
    for note in notes:
        tqdm.write(f"facesim: {note}", file=sys.stderr)


def _people(settings: Settings, source: Source, splits: list[Split]) -> list[str]:
    split = splits[0]
    names, counts = np.unique(source.dataset.identities[split.train], return_counts=True)
    parts = split.identities(source.dataset)
    people, photos = pluralise(len(names), "person", "people"), pluralise(len(split.train), "photo")
    first = f"the first of {len(splits)} folds has " if settings.folds else ""
    notes = [
        f"{first}{people} with {photos} to train on, {(counts == 1).sum():,} of them with one photo only; "
        f"{len(parts['validation']):,} to choose the threshold; {len(parts['test']):,} to test."
    ]
    share = counts.max() / len(split.train)
    if share > LARGE_SHARE:
        person = shortened(str(names[np.argmax(counts)]), 40)
        notes.append(
            f"{person} is on {share:.0%} of the photos to train on, and counts as much as anybody else: people are "
            "drawn first, then their photos."
        )
    lacking = next(filter(None, (_lacking(source, one) for one in splits)), "")
    return [*notes, *_too_few(settings, source, lacking)] if lacking else notes


def _too_few(settings: Settings, source: Source, lacking: str) -> list[str]:
    start = begun_from_model(settings)
    few = f"too few people are held out to choose a threshold and to test it: {lacking}."
    if not start:
        notes = [f"{few} The threshold will be largely chance, and the model file will state no error rates for it."]
    elif settings.folds or settings.keep_trained:
        notes = [f"{few} It stays at the start's, {start.threshold:.4f}."]
    else:
        notes = [
            f"{few} It stays at the start's, {start.threshold:.4f}. As they cannot show that training helps, either, "
            "the start will be the model; --keep-trained insists on the trained one."
        ]
    proposed = "" if settings.folds else _cross_validation(settings, source)
    return [*notes, f"to learn whether training helps, cross-validate: {proposed}"] if proposed else notes


def _cross_validation(settings: Settings, source: Source) -> str:
    """Return the command that tests everybody once; "" where there are too few people, or the start has seen some."""
    try:
        splits = source.folds(FOLDS, settings.seed)
        check_start_is_unbiased(settings, source, splits)
    except FaceSimError:
        return ""
    return settings.command(folds=FOLDS)


def _lacking(source: Source, split: Split) -> str:
    """Return what a part that is held out has too little of; "" if both are enough where all photos show a face."""
    for held in (split.validation, split.test):
        pairs = measured_pairs(lambda pairs: np.zeros(len(pairs)), source.dataset, source.selected, held)
        if pairs.lacking():
            return pairs.lacking()
    return ""


def _strangers(settings: Settings, source: Source, reference: Reference | None) -> list[str]:
    if reference or settings.folds or settings.reference == NONE or source.lfw_folds or not begun_from_model(settings):
        return []
    return ["strangers are not tested, as LFW is not on this machine: --reference FOLDER names photos of other people."]
