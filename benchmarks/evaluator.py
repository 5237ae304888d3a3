"""Is the evaluator right? LFW's View 2 by dlib's own network, whose accuracy is known.

python benchmarks/evaluator.py
"""

import functools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import dlib
import numpy as np
import torch
from tqdm import tqdm

from facesim import FaceSimError
from facesim.data.lfw import find_lfw
from facesim.data.pairs import join_pairs
from facesim.detector.finding import find_faces
from facesim.evaluation.metrics import failures_as_errors
from facesim.evaluation.summary import rate_folds
from facesim.photo import open_photo
from facesim.training.backbones import RGB_MEAN
from facesim.training.dlib_files import LANDMARK_FILE, RECOGNISER_FILE, find_dlib_file
from facesim.training.dlib_weights import load_dlib_weights
from facesim.training.network import Recogniser
from facesim.training.poses import CHIP_SIZE

PADDING = 0.25  # share around the face
BATCH = 32  # chips
CHECKED = 10  # chips that dlib itself describes, too
MAX_DIFFERENCE = 1e-5
EXPECTED = (0.989, 0.992)  # accuracy; dlib's author states 99.13 % for one chip a face


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Run dlib's own network, on the chips that its landmarks align, through the evaluator: LFW's View 2.

    The face is the one that facesim finds. dlib's weights run in PyTorch, which takes a tenth of the time; the first
    ten descriptors must be dlib's own. Accuracy must come out between 98.9 and 99.2 %; the exit status is 1 where it
    does not. Takes some five minutes on two cores.
    """
    try:
        dataset, folds = find_lfw()
        network = load_dlib_weights(Recogniser()).eval()
        find_dlib_file(LANDMARK_FILE)
    except FaceSimError as error:
        raise click.ClickException(str(error)) from error
    pairs = join_pairs(folds)
    photos, paths = pairs.photos(), dataset.paths()
    with ProcessPoolExecutor() as pool:
        cut = pool.map(aligned_chip, [paths[photo] for photo in photos], chunksize=8)
        chips = list(tqdm(cut, "aligning", len(photos), unit="face"))
    found = np.flatnonzero([chip is not None for chip in chips])
    descriptors = np.full((len(photos), 128), np.nan, np.float32)
    for start in tqdm(range(0, len(found), BATCH), "describing", unit="batch"):
        rows = found[start : start + BATCH]
        descriptors[rows] = describe(network, np.stack([chips[row] for row in rows]))
    check([chips[row] for row in found[:CHECKED]], descriptors[found[:CHECKED]])
    distances = failures_as_errors(pairs.distances(photos, descriptors), pairs.same)
    rates = rate_folds(distances, pairs.same, np.repeat(np.arange(len(folds)), [len(fold) for fold in folds]))
    accuracy, error = rates.mean("accuracy")
    low, high = EXPECTED
    right = low <= accuracy <= high
    click.echo(f"accuracy   {accuracy:.2%} ± {error:.2%} (mean ± standard error of ten folds)")
    click.echo(f"no face    in {int(np.isinf(distances).sum())} of {len(pairs):,} pairs, each an error")
    click.echo(f"expected   {low:.1%} to {high:.1%}: {'so it is' if right else 'the evaluator is not right'}")
    raise SystemExit(0 if right else 1)


def aligned_chip(path: Path) -> np.ndarray | None:
    """Cut the main face of a photo as dlib does, `(150, 150, 3) uint8`; None where none is found."""
    photo = open_photo(path)
    faces = find_faces(photo)
    if not faces:
        return None
    pixels, box = np.asarray(photo.view()), dlib.rectangle(*(round(edge) for edge in faces[0].box))
    return dlib.get_face_chip(pixels, landmark_predictor()(pixels, box), CHIP_SIZE, PADDING)


@functools.cache
def landmark_predictor():
    """Return dlib's, once per process."""
    return dlib.shape_predictor(str(find_dlib_file(LANDMARK_FILE)))


@torch.inference_mode()
def describe(network: Recogniser, chips: np.ndarray) -> np.ndarray:
    """Map chips `(n, 150, 150, 3) uint8` to descriptors `(n, 128)`."""
    pixels = (torch.from_numpy(chips).float() - torch.tensor(RGB_MEAN)) / 256
    return network(pixels.permute(0, 3, 1, 2)).numpy()


def check(chips: list[np.ndarray], descriptors: np.ndarray) -> None:
    """Raise where dlib itself describes chips otherwise."""
    dlibs = dlib.face_recognition_model_v1(str(find_dlib_file(RECOGNISER_FILE)))
    difference = np.abs([dlibs.compute_face_descriptor(chip) for chip in chips] - descriptors).max()
    if difference > MAX_DIFFERENCE:
        raise click.ClickException(f"these are not dlib's descriptors: they differ by {difference:.1e}.")


if __name__ == "__main__":
    main()
