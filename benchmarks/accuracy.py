"""How accurate is a model, next to dlib's own pipeline and OpenCV's, on people it has never seen?

python benchmarks/accuracy.py --model runs/mine/model.onnx
"""

import dataclasses
import functools
import io
import json
import subprocess
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import dlib
import numpy as np
from measuring import CONTESTANT, environment
from peers import OPENCV, peer_python
from tqdm import tqdm

from facesim import FaceSimError, Model
from facesim.data.cache import cached_crops
from facesim.data.dataset import Dataset, read_folder
from facesim.data.lfw import data_home, find_lfw, lfw_split
from facesim.data.pairs import Pairs, sample_pairs
from facesim.evaluation.metrics import SortedDistances, failures_as_errors
from facesim.evaluation.protocol import people_seen
from facesim.evaluation.scoring import embed_crops
from facesim.evaluation.uncertainty import f1_interval
from facesim.photo import open_photo
from facesim.training.dlib_files import LANDMARK_FILE, RECOGNISER_FILE, find_dlib_file

PAIRS_OF_A_KIND = 1000  # sampled from a folder
DLIB_THRESHOLD = 0.6  # what dlib advises for its descriptor
OPENCV_THRESHOLD = 1.128  # what OpenCV's tutorial advises for the distance of SFace's features
DLIB_SIZE, DLIB_CHIP, DLIB_PADDING = 128, 150, 0.25  # numbers in a descriptor, pixels of a chip, share around a face


@dataclass(frozen=True, slots=True)
class Result:
    """What a pipeline does on a set of pairs, those without a face counted as errors (but for the AUC)."""

    set: str
    pipeline: str
    threshold: float
    f1: float
    f1_interval: tuple[float, float]
    accuracy: float
    fmr: float
    fnmr: float
    auc: float
    pairs: int
    pairs_without_a_face: int
    people: int


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--model", type=click.Path(), help="A model file, instead of the one that ships.")
@click.option(
    "--pins", type=click.Path(exists=True, file_okay=False), help="Any folder with a sub-folder of photos per person."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def main(model, pins, as_json):
    """Print how accurate a model is, next to dlib's own pipeline and OpenCV's.

    Two sets of pairs: the 1,200 official ones of LFW's folds 9 and 10, and 2,000 (half genuine) drawn, always the
    same, from the Pins faces, or from any folder of people. FACESIM_DATA names the folder that holds lfw, lfw-protocol
    and pins; a missing LFW is downloaded, and a set that cannot be had is skipped.

    The model walks facesim's path, at the threshold stored in its file. dlib walks its own: frontal face detector
    (upsampling once, largest box), five landmarks, aligned chip, descriptor, threshold 0.6. So does OpenCV: YuNet (from
    confidence 0.6, largest box), SFace, threshold 1.128; it is installed in the cache (peers.py), and skipped where it
    cannot be had. A pair in which no face is found is an error in every column but AUC.

    dlib takes its time: about five minutes for both sets on two cores, and OpenCV two.

    \b
    python benchmarks/accuracy.py                                the model that ships
    python benchmarks/accuracy.py --model runs/mine/model.onnx   yours
    python benchmarks/accuracy.py --pins photos                  on photos/NAME/*.jpg, any names
    """
    sets = {"lfw": lfw_pairs, "pins": functools.partial(folder_pairs, pins or data_home() / "pins")}
    results = []
    try:
        model = Model(model)
        for name, read in sets.items():
            try:
                dataset, pairs = read()
            except FaceSimError as error:
                click.echo(f"{name} is skipped: {error}", err=True)
                continue
            warn_of_known_people(model, dataset, pairs)
            results += compare(model, dataset, pairs)
    except FaceSimError as error:
        raise click.ClickException(str(error)) from error
    if not results:
        raise click.ClickException("neither set could be had: see above.")
    click.echo(json.dumps([dataclasses.asdict(result) for result in results], indent=2) if as_json else table(results))


def lfw_pairs() -> tuple[Dataset, Pairs]:
    dataset, folds = find_lfw()
    return dataset, lfw_split(dataset, folds).test


def folder_pairs(folder: Path) -> tuple[Dataset, Pairs]:
    dataset = read_folder(folder)
    return dataset, sample_pairs(dataset.identities, PAIRS_OF_A_KIND, PAIRS_OF_A_KIND, seed=0)


def warn_of_known_people(model: Model, dataset: Dataset, pairs: Pairs) -> None:
    """Warn where the model may have been trained on people in the pairs."""
    people = set(dataset.identities[pairs.photos()].tolist())
    seen = people & people_seen(model.info, dataset)
    if seen:
        click.echo(
            f"warning: {model.path} may have been trained on {len(seen)} of the {len(people)} people in the pairs of "
            f"{dataset.name}: its figures flatter it.",
            err=True,
        )


def compare(model: Model, dataset: Dataset, pairs: Pairs) -> list[Result]:
    """Judge the model, dlib's pipeline and, where it can be had, OpenCV's on the same pairs."""
    photos = pairs.photos()
    embeddings = embed_crops(model, cached_crops(dataset, photos), photos)
    results = [
        judge(model.path.name, model.info.threshold, embeddings, dataset, pairs),
        judge("dlib", DLIB_THRESHOLD, dlib_embeddings(dataset, photos), dataset, pairs),
    ]
    try:
        features = opencv_features(dataset, photos)
    except click.ClickException as error:
        click.echo(f"OpenCV is skipped: {error.message}", err=True)
    else:
        results.append(judge("OpenCV", OPENCV_THRESHOLD, features, dataset, pairs))
    return results


def judge(pipeline: str, threshold: float, embeddings: np.ndarray, dataset: Dataset, pairs: Pairs) -> Result:
    """Judge embeddings `(m, d)` of the pairs' sorted photos, NaN where no face was found."""
    photos = pairs.photos()
    distances = pairs.distances(photos, embeddings)
    found = ~np.isnan(distances)
    counts = SortedDistances.of(failures_as_errors(distances, pairs.same), pairs.same).rates(threshold)
    return Result(
        set=dataset.name,
        pipeline=pipeline,
        threshold=threshold,
        f1=counts.f1,
        f1_interval=f1_interval(counts),
        accuracy=counts.accuracy,
        fmr=counts.fmr,
        fnmr=counts.fnmr,
        auc=SortedDistances.of(distances[found], pairs.same[found]).auc(),
        pairs=len(pairs),
        pairs_without_a_face=int((~found).sum()),
        people=len(np.unique(dataset.identities[photos])),
    )


def dlib_embeddings(dataset: Dataset, photos: np.ndarray) -> np.ndarray:
    paths = dataset.paths()
    with ProcessPoolExecutor() as pool:
        described = pool.map(describe, [paths[photo] for photo in photos], chunksize=8)
        return np.stack(list(tqdm(described, f"{dataset.name}: dlib", len(photos), unit="face")))


def describe(path: Path) -> np.ndarray:
    """Describe the largest face as dlib's users do, `(128,)`; NaN where none is found."""
    detector, landmarks, network = dlib_pipeline()
    try:
        photo = np.asarray(open_photo(path).view())
    except FaceSimError:
        return np.full(DLIB_SIZE, np.nan)
    boxes = detector(photo, 1)
    if not boxes:
        return np.full(DLIB_SIZE, np.nan)
    largest = max(boxes, key=dlib.rectangle.area)
    chip = dlib.get_face_chip(photo, landmarks(photo, largest), DLIB_CHIP, DLIB_PADDING)
    return np.array(network.compute_face_descriptor(chip))


@functools.cache
def dlib_pipeline():
    """Return dlib's detector, landmark predictor and recognition network, once per process."""
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(str(find_dlib_file(LANDMARK_FILE))),
        dlib.face_recognition_model_v1(str(find_dlib_file(RECOGNISER_FILE))),
    )


def opencv_features(dataset: Dataset, photos: np.ndarray) -> np.ndarray:
    """Return the features `(n, 128)` of the largest faces, of unit length; NaN where none is found."""
    paths = dataset.paths()
    names = "\n".join(str(paths[photo]) for photo in photos)
    command = [peer_python(OPENCV), *CONTESTANT, OPENCV, "describe"]
    described = subprocess.run(command, input=names.encode(), stdout=subprocess.PIPE, env=environment(), check=True)
    return np.load(io.BytesIO(described.stdout))


def table(results: list[Result]) -> str:
    """Lay results out in columns, one line each."""
    rows = [
        ("set", "pipeline", "threshold", "F1 (95 %)", "accuracy", "FMR", "FNMR", "AUC", "pairs", "no face", "people")
    ]
    for r in results:
        f1 = f"{r.f1:.4f} ({r.f1_interval[0]:.4f} to {r.f1_interval[1]:.4f})"
        shares = (f"{share:.2%}" for share in (r.accuracy, r.fmr, r.fnmr))
        counts = (str(count) for count in (r.pairs, r.pairs_without_a_face, r.people))
        rows.append((r.set, r.pipeline, f"{r.threshold:.4f}", f1, *shares, f"{r.auc:.4f}", *counts))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    main()
