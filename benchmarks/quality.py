"""How bad may a crop be? Error rates as faces get smaller, darker, brighter, flatter and more blurred.

python benchmarks/quality.py
"""

import dataclasses
import itertools
import json
from dataclasses import dataclass

import click
import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from facesim import FaceSimError, Model
from facesim.data.cache import CachedCrops
from facesim.data.lfw import lfw_split
from facesim.data.pairs import sample_pairs
from facesim.data.source import Source, open_source
from facesim.detector.box import Box
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE, centre_crop
from facesim.detector.quality import Measures, crop_measures, crop_warnings
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.scoring import embed_crops
from facesim.evaluation.uncertainty import bootstrap_by_identity, wilson_interval

PROBES = 150  # photos of a set, each degraded in every way
BOX_SIDE = CROP_SIZE / (1 + 2 * CROP_MARGIN)  # pixels of a crop
SHOWN = ("contrast", "white", "detail")


def reduce_to(photo: Image.Image, box_side: float) -> Image.Image:
    size = [max(1, round(side * box_side / BOX_SIDE)) for side in photo.size]
    return photo.resize(size, Image.Resampling.BICUBIC).resize(photo.size, Image.Resampling.BICUBIC)


def darken(photo: Image.Image, divisor: float) -> Image.Image:
    return photo.point(lambda level: round(level / divisor))


def brighten(photo: Image.Image, factor: float) -> Image.Image:
    return photo.point(lambda level: min(255, round(level * factor)))


def flatten(photo: Image.Image, divisor: float) -> Image.Image:
    return photo.point(lambda level: round(128 + (level - 128) / divisor))


def blur(photo: Image.Image, sigma: float) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(sigma))


def shake(photo: Image.Image, pixels: int) -> Image.Image:
    """Average each pixel with its neighbours along a diagonal, `pixels` of them."""
    reach = pixels // 2
    levels = np.asarray(photo, np.float32)
    padded = np.pad(levels, ((reach, reach), (reach, reach), (0, 0)), "edge")
    height, width = levels.shape[:2]
    moved = [padded[i : i + height, i : i + width] for i in range(2 * reach + 1)]
    return Image.fromarray(np.rint(np.mean(moved, axis=0)).astype(np.uint8))


# What is done, what its steps are called, and the steps.
WAYS = {
    "size": (reduce_to, "box of {} pixels", (80, 60, 50, 40, 32, 24, 16)),
    "dark": (darken, "levels by {}", (4, 8, 16, 32, 64)),
    "flat": (flatten, "contrast by {}", (4, 8, 16)),
    "bright": (brighten, "levels times {}", (1.5, 2, 3, 4, 6)),
    "blur": (blur, "Gaussian, sigma {}", (2, 3, 4, 5, 6)),
    "shake": (shake, "diagonal of {}", (7, 11, 21)),
}
# Of each measure: the ways that move it, and the edges of the classes in which errors are counted.
CLASSES = {
    "contrast": (("dark", "flat"), (0, 5, 10, 15, 20, 25, 30, 40, 256)),
    "white": (("bright",), (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.01)),
    "detail": (("blur", "shake"), (0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, np.inf)),
}


@dataclass(frozen=True, slots=True)
class Faces:
    """The photos of a set that are compared: every probe, degraded, with every mate, as it is."""

    set: str
    crops: np.ndarray  # (p, 160, 160, 3) uint8, the probes'
    mates: np.ndarray  # (m, d), embeddings
    same: np.ndarray  # (p, m) bool: of one person
    distinct: np.ndarray  # (p, m) bool: not one photo twice
    people: np.ndarray  # (p, m, 2) str


@dataclass(frozen=True, slots=True)
class Step:
    """What a model does once the probes are degraded, and what they measure."""

    set: str
    way: str
    step: str
    fnmr: float
    fnmr_interval: tuple[float, float]
    fmr: float
    fmr_interval: tuple[float, float]
    warned: float  # share of the probes
    measures: dict[str, tuple[float, float, float]]  # 5th percentile, median, 95th


@dataclass(frozen=True, slots=True)
class Class:
    """The errors of all probes, degraded in the ways that move a measure, for which it lies from `start` to `end`."""

    set: str
    measure: str
    start: float
    end: float
    probes: int
    fnmr: float
    fmr: float


@dataclass(frozen=True, slots=True)
class AsTheyAre:
    """What share of a set's photos would be warned of, but for size, which a crop does not tell."""

    set: str
    photos: int
    warned: dict[str, float]
    measures: dict[str, tuple[float, float, float]]  # least, at 0.5 % of the photos, at 99.5 %, most


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", type=click.Path(), help="A model file, instead of the one that ships.")
@click.option("--json", "as_json", is_flag=True, help="Print the tables as JSON.")
def main(model, as_json):
    """Print how a model's errors grow as crops get worse, from which the limits of facesim/detector/quality.py follow.

    In each of 150 pairs of LFW's folds 9 and 10, and of Pins, one photo is degraded, step by step, and compared with
    the other photo of every pair: FNMR and FMR at the model's threshold, then the same by what a crop measures, however
    it came to that. An FNMR's interval is Wilson's, each probe counting once; an FMR's is of other people drawn. A
    limit lies where FNMR + FMR is twice that of the photos as they are, on both sets, and where it is below (for white:
    above) in at most 1 % of all their photos.

    FACESIM_DATA names the folder that holds lfw, lfw-protocol and pins. About five minutes on two cores.
    """
    tables = {"steps": [], "classes": [], "as they are": []}
    try:
        model = Model(model)
        for name in ("lfw", "pins"):
            source = open_source((name,))
            crops = source.crops()
            faces = draw_faces(model, source, crops)
            steps, classes = degrade(model, faces)
            tables["steps"] += steps
            tables["classes"] += classes
            tables["as they are"].append(look_at_all(name, crops))
    except FaceSimError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        rows = {name: [dataclasses.asdict(row) for row in rows] for name, rows in tables.items()}
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo("\n\n".join([step_table(tables["steps"]), class_table(tables["classes"])]))
        click.echo("\n" + all_table(tables["as they are"]))


def draw_faces(model: Model, source: Source, crops: CachedCrops) -> Faces:
    """Draw the pairs among the people whom the model that ships was tested on: LFW's, or all."""
    identities, usable = source.dataset.identities, crops.usable
    if source.lfw_folds:
        test = lfw_split(source.dataset, source.lfw_folds).test.photos()
        usable = usable & np.isin(identities, identities[test])
    photos = np.flatnonzero(usable)
    drawn = sample_pairs(identities[photos], PROBES, 1, seed=0)
    probes, mates = photos[drawn.first[drawn.same]], photos[drawn.second[drawn.same]]
    people = np.stack(np.broadcast_arrays(identities[probes][:, None], identities[mates]), axis=-1)
    return Faces(
        source.dataset.name,
        centre_crop(crops.wide[probes]),
        embed_crops(model, crops, mates),
        people[..., 0] == people[..., 1],
        probes[:, None] != mates,
        people,
    )


def degrade(model: Model, faces: Faces) -> tuple[list[Step], list[Class]]:
    """Take every step with every probe; return what came of each, and the errors by measure."""
    todo = [("as it is", None, 0)] + [(way, do, step) for way, (do, _, steps) in WAYS.items() for step in steps]
    results, by_way = [], []
    for way, do, step in tqdm(todo, faces.set, unit="step"):
        crops = np.stack([crop if do is None else degraded(crop, do, step) for crop in faces.crops])
        side = step if way == "size" else round(BOX_SIDE)
        distances = np.linalg.norm(model.embed(crops)[:, None] - faces.mates, axis=2)
        measures = [crop_measures(crop) for crop in crops]
        warned = np.mean([bool(crop_warnings(crop, Box(0, 0, side, side))) for crop in crops])
        wrong = (distances < model.info.threshold) != faces.same
        errors = [share_of(wrong, faces.distinct & kind) for kind in (faces.same, ~faces.same)]
        by_way.append((way, measures, *errors))
        name = WAYS[way][1].format(step) if do else ""
        results.append(summary(faces, (way, name), distances, model.info.threshold, errors[0], warned, measures))
    return results, [row for measure in CLASSES for row in classify(faces.set, measure, by_way)]


def degraded(crop: np.ndarray, do, step: float) -> np.ndarray:
    """Degrade a crop as far as the photo reaches; beyond its edge it stays black."""
    inside = tuple(
        slice(lit[0], lit[-1] + 1) for lit in (np.flatnonzero(crop.any((1, 2))), np.flatnonzero(crop.any((0, 2))))
    )
    worse = crop.copy()
    worse[inside] = np.asarray(do(Image.fromarray(np.ascontiguousarray(crop[inside])), step))
    return worse


def share_of(wrong: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the share of a probe's comparisons that are wrong, `(p,)`; NaN where it has none."""
    with np.errstate(invalid="ignore"):
        return (wrong & counted).sum(axis=1) / counted.sum(axis=1)


def summary(faces, names, distances, threshold, missed, warned, measures: list[Measures]) -> Step:
    """Sum up a step; `missed` is each probe's share of misses, `(p,)`."""
    rate, distinct = float(np.nanmean(missed)), faces.distinct

    def fmr(pairs: SortedDistances) -> dict[str, float]:
        return {"FMR": pairs.rates(threshold).fmr}

    chosen = distances[distinct], faces.same[distinct]
    interval = bootstrap_by_identity(*chosen, faces.people[distinct], fmr)["FMR"]
    spread = {name: percentiles(measures, name, (5, 50, 95)) for name in SHOWN}
    wilson = wilson_interval(rate * PROBES, PROBES)
    return Step(
        faces.set, *names, rate, wilson, fmr(SortedDistances.of(*chosen))["FMR"], interval, float(warned), spread
    )


def percentiles(measures: list[Measures], name: str, at: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(np.percentile([getattr(one, name) for one in measures], at).tolist())


def classify(name: str, measure: str, by_way: list) -> list[Class]:
    ways, edges = CLASSES[measure]
    chosen = [of_way for of_way in by_way if of_way[0] in ("as it is", *ways)]
    values = np.array([getattr(one, measure) for _, measures, _, _ in chosen for one in measures])
    missed, matched = (np.concatenate([of_way[place] for of_way in chosen]) for place in (2, 3))
    classes = []
    for start, end in itertools.pairwise(edges):
        there = (values >= start) & (values < end)
        if there.any():
            rates = float(np.nanmean(missed[there])), float(np.nanmean(matched[there]))
            classes.append(Class(name, measure, start, end, int(there.sum()), *rates))
    return classes


def look_at_all(name: str, crops: CachedCrops) -> AsTheyAre:
    """Measure every photo of a set as it is."""
    box = Box(0, 0, round(BOX_SIDE), round(BOX_SIDE))
    measures, reasons = [], []
    for photo in tqdm(np.flatnonzero(crops.usable), f"{name}: as they are", unit="photo"):
        crop = centre_crop(crops.wide[photo])
        measures.append(crop_measures(crop))
        reasons += crop_warnings(crop, box)
    warned = {reason: reasons.count(reason) / len(measures) for reason in sorted(set(reasons))}
    return AsTheyAre(name, len(measures), warned, {of: percentiles(measures, of, (0, 0.5, 99.5, 100)) for of in SHOWN})


def step_table(steps: list[Step]) -> str:
    rows = [("set", "way", "step", "FNMR (95 %)", "FMR (95 %)", "warned", *(f"{name} (5 to 95 %)" for name in SHOWN))]
    for step in steps:
        rates = [
            f"{rate:.1%} ({low:.1%} to {high:.1%})"
            for rate, (low, high) in ((step.fnmr, step.fnmr_interval), (step.fmr, step.fmr_interval))
        ]
        spread = [f"{middle:.3g} ({low:.3g} to {high:.3g})" for low, middle, high in step.measures.values()]
        rows.append((step.set, step.way, step.step, *rates, f"{step.warned:.0%}", *spread))
    return columns(rows)


def class_table(classes: list[Class]) -> str:
    rows = [("set", "measure", "from", "to", "probes", "FNMR", "FMR")]
    for of in classes:
        edges = f"{of.start:g}", f"{of.end:g}"
        rows.append((of.set, of.measure, *edges, str(of.probes), f"{of.fnmr:.1%}", f"{of.fmr:.1%}"))
    return columns(rows)


def all_table(sets: list[AsTheyAre]) -> str:
    rows = [("set", "photos", *(f"{name}: least, 0.5 %, 99.5 %, most" for name in SHOWN), "warned")]
    for of in sets:
        spread = [", ".join(f"{value:.3g}" for value in values) for values in of.measures.values()]
        warned = "; ".join(f"{share:.2%} {reason}" for reason, share in of.warned.items())
        rows.append((of.set, str(of.photos), *spread, warned or "none"))
    return columns(rows)


def columns(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    main()
