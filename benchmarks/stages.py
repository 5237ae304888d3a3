"""Where does the time of a photo go?

python benchmarks/stages.py
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import click
import dlib
import numpy as np
import onnxruntime
from measuring import ROOT
from PIL import Image
from speed_photos import camera_photo, find_lfw_photos, small_photo

from facesim import Verifier
from facesim.cores import cores
from facesim.detector.crop import CROP_SIZE, centre_crop, cut_wide_crop
from facesim.detector.finding import HOG_SIDE, find_faces
from facesim.detector.shipped import shipped_file
from facesim.model import default_model
from facesim.photo import open_photo
from facesim.pixels import fitted_size

STAGES = ("decode", "detect", "crop", "network")
SIZES = {"2 megapixels": (1600, 1200), "12 megapixels": (4000, 3000)}


class Timed(NamedTuple):
    """The seconds that each stage takes for a photo, and all of it where nothing is timed in between."""

    stages: dict[str, float]
    whole: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--turns", type=click.IntRange(1), default=7, show_default=True, help="Of all photos, for the medians.")
@click.option("--lfw-photos", type=click.IntRange(1), default=100, show_default=True, help="So many of LFW's.")
def main(turns, lfw_photos):
    """Print how many milliseconds each stage of embedding a photo takes on a core, as a Markdown table.

    In brackets stands what the library takes that a stage cannot do without: Pillow's decoding at the size that the
    detector needs, one look of dlib's HOG, one resizing, one pass of the network. Once with one thread, and once with a
    thread on each core, where the cores share caches and memory. "rest" is what is in no stage.

    \b
    python benchmarks/stages.py
    python benchmarks/stages.py --turns 15 --lfw-photos 500
    """
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        kinds = make_kinds(Path(folder))
        lfw = find_lfw_photos(left_out)[:lfw_photos]
        if lfw:
            kinds = {f"250×250, {len(lfw)} of LFW": lfw} | kinds
        verifier, floor = Verifier(), Floor()
        click.echo(f"| photos | threads | {' | '.join(STAGES)} | rest | whole | photos a second |")
        click.echo("|---" * (len(STAGES) + 5) + "|")
        for kind, photos in kinds.items():
            for threads in sorted({1, cores()}):
                ours, bare = (
                    measured(photos, threads, turns, work) for work in (lambda path: stages_of(path, verifier), floor)
                )
                click.echo(row(kind, threads, ours, bare))
    for note in left_out:
        click.echo(note)


def make_kinds(folder: Path) -> dict[str, list[str]]:
    """Make photos of each size from the examples."""
    examples = sorted((ROOT / "examples").glob("*.jpg"))[:2]
    verdict = Verifier().verify(*examples)
    boxes = (verdict.face1.box, verdict.face2.box)
    faces = [(Image.open(path).convert("RGB"), box) for path, box in zip(examples, boxes, strict=True)]
    kinds = {"250×250": [save(small_photo(*face), folder, f"small{i}") for i, face in enumerate(faces)]}
    for name, size in SIZES.items():
        kinds[name] = [save(camera_photo(*face, size), folder, f"{size[0]}-{i}") for i, face in enumerate(faces)]
    return kinds


def save(photo: Image.Image, folder: Path, name: str) -> str:
    path = folder / f"{name}.jpg"
    photo.save(path, quality=95)
    return str(path)


def stages_of(path: str, verifier: Verifier) -> Timed:
    """Embed a photo's main face twice: stage by stage, and as `Verifier` does it."""
    clock = _Clock()
    photo = open_photo(path)
    photo.view(min(HOG_SIDE, max(photo.size)))
    clock.stop("decode")
    faces = find_faces(photo)
    clock.stop("detect")
    crops = [centre_crop(cut_wide_crop(photo, face)) for face in faces[:1]]
    clock.stop("crop")
    if crops:
        verifier.model.embed(np.stack(crops))
    clock.stop("network")
    start = time.perf_counter()
    if crops:
        verifier.embed_faces(path)
    else:
        find_faces(open_photo(path))
    return Timed(clock.stages, time.perf_counter() - start)


class Floor:
    """The libraries called bare, with nothing checked."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(default_model(), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._of_thread = threading.local()
        self._crop = np.zeros((1, CROP_SIZE, CROP_SIZE, 3), np.uint8)

    def __call__(self, path: str) -> Timed:
        if not hasattr(self._of_thread, "detector"):  # two threads cannot share one
            self._of_thread.detector = dlib.fhog_object_detector(str(shipped_file("hog.svm")))
        clock = _Clock()
        with Image.open(path) as image:
            image.draft("RGB", (HOG_SIDE, HOG_SIDE))
            image.load()
            pixels = image.convert("RGB")
        clock.stop("decode")
        seen = pixels.resize(fitted_size(pixels.size, min(HOG_SIDE, max(pixels.size))))
        self._of_thread.detector.run(np.asarray(seen), 0, 0.0)
        clock.stop("detect")
        pixels.resize((CROP_SIZE, CROP_SIZE), Image.Resampling.BICUBIC)
        clock.stop("crop")
        self._session.run(None, {self._input: self._crop})
        clock.stop("network")
        return Timed(clock.stages, sum(clock.stages.values()))


class _Clock:
    def __init__(self):
        self.stages: dict[str, float] = {}
        self._start = time.perf_counter()

    def stop(self, stage: str) -> None:
        """Note the time since the last stop."""
        now = time.perf_counter()
        self.stages[stage], self._start = now - self._start, now


def measured(photos: list[str], threads: int, turns: int, work: Callable[[str], Timed]) -> list[Timed]:
    """Return the mean times of the photos, in each turn, with so many at once."""

    def turn(pool: ThreadPoolExecutor) -> Timed:
        found = list(pool.map(work, photos * threads))
        stages = {stage: statistics.fmean(one.stages[stage] for one in found) for stage in STAGES}
        return Timed(stages, statistics.fmean(one.whole for one in found))

    with ThreadPoolExecutor(threads) as pool:
        turn(pool)  # the first is slower
        return [turn(pool) for _ in range(turns)]


def row(kind: str, threads: int, ours: list[Timed], bare: list[Timed]) -> str:
    whole, least = (statistics.median(turn.whole for turn in turns) for turns in (ours, bare))

    def cells() -> Iterator[str]:
        rest = whole
        for stage in STAGES:
            here, floor = (statistics.median(turn.stages[stage] for turn in turns) for turns in (ours, bare))
            rest -= here
            yield f"{1000 * here:.1f} ({1000 * floor:.1f})"
        yield f"{1000 * rest:.1f}"
        yield f"{1000 * whole:.1f} ({1000 * least:.1f})"
        yield f"{threads / whole:.0f}"

    return f"| {kind} | {threads} | {' | '.join(cells())} |"


if __name__ == "__main__":
    main()
