"""How many faces are found, how many are seen where there is none, and how long does that take?

python benchmarks/detection.py
"""

import functools
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import click
import dlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from tqdm import tqdm

from facesim import FaceSimError
from facesim.data.lfw import data_home, find_lfw
from facesim.detector.finding import HOG_SIDE, find, hog_look
from facesim.detector.ladder import LADDER
from facesim.evaluation.uncertainty import wilson_interval
from facesim.folder import photos_in
from facesim.photo import Photo, open_photo

DLIB_DOUBLINGS = 1  # of the photo's size, as face_recognition has it
FOUND_BY = ("HOG", "both", *(look.name for look in LADDER), "in doubt", "HOG alone")
MADE = 40  # pictures of each kind that are made
SAMPLES = ("matplotlib", "skimage", "sklearn")  # packages whose sample pictures are looked at
WITH_FACES = ("astronaut", "camera", "grace_hopper", "lfw_subset", "coins")  # the coins show heads
MIN_SAMPLE = 100  # pixels
SIDES = (250, 1280, 4000)  # pixels of the longer side at which a photo without a face is timed


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Look at every n-th photo only.")
@click.option("--ladder-only", is_flag=True, help="Leave dlib's detector alone out: it takes most of the time.")
@click.option(
    "--faceless",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of photos without a face, beside those that are made here.",
)
def main(folders, every, ladder_only, faceless):
    """Print the failure-to-acquire rate (FTA) on LFW, on other sets that are there, and on the photos of any FOLDERS.

    FTA is the share of photos in which no face is found, with its 95 % interval (Wilson). Beside facesim stand its
    first look alone, and dlib's frontal face detector upsampling once, as face_recognition runs it. Then follows what
    found the faces, how many of them it had to turn, and the median time for such a photo while all cores are busy.
    Whether the face is the right one is not asked. FACESIM_DATA names the folder that holds lfw, pins, hard and poses;
    a missing LFW is downloaded, and a set that cannot be had is skipped.

    Last come pictures without a face: samples of installed packages, and noise, textures, text, drawings and
    landscapes that are made here; and the time that a photo without a face takes in several sizes.
    """
    for name, photos in photo_sets(folders):
        report(name, photos[::every], ladder_only)
    report("without a face", [*sample_pictures(), *made_pictures(), *(photos_in(faceless) if faceless else ())], True)
    for side in SIDES:
        click.echo(f"nothing found in {side} pixels: {seconds_without_a_face(side):.2f} s")


def report(name: str, photos: list, ladder_only: bool) -> None:
    """Print what is found in photos, which are paths or pictures."""
    with ProcessPoolExecutor() as pool:
        seen = pool.map(functools.partial(look, ladder_only=ladder_only), photos, chunksize=16)
        looks = [look for look in tqdm(seen, name, len(photos), unit="photo") if look is not None]
    click.echo(f"{name}: {len(looks):,} photos")
    click.echo(f"  facesim    {fta([found_by == 'nothing' for found_by, *_ in looks])}")
    click.echo(f"  HOG once   {fta([not hog_found for *_, hog_found, _ in looks])}")
    if not ladder_only:
        click.echo(f"  dlib       {fta([not dlib_found for *_, dlib_found in looks])}")
    for rung in FOUND_BY:
        rows = [(angle, seconds) for found_by, angle, seconds, *_ in looks if found_by == rung]
        if rows:
            angles, seconds = zip(*rows, strict=True)
            turned = f"{np.count_nonzero(angles):,} of them turned, {1000 * np.median(seconds):.0f} ms"
            click.echo(f"  {rung:9}  {len(rows):6,} found, {turned}")


def photo_sets(folders: tuple[Path, ...]) -> list[tuple[str, list[str]]]:
    """Return each set's name and photos."""
    sets = []
    try:
        sets.append(("lfw", [str(path) for path in find_lfw()[0].paths()]))
    except FaceSimError as error:
        click.echo(f"lfw is skipped: {error}", err=True)
    poses = list(photos_in(data_home() / "poses"))
    for kind in ("frontal", "profile"):
        sets.append((f"poses, {kind}", [path for path in poses if Path(path).name.startswith(kind)]))
    for folder in (data_home() / "pins", data_home() / "hard", *folders):
        sets.append((folder.name, list(photos_in(folder))))
    for name, photos in sets:
        if not photos:
            click.echo(f"{name} is skipped: it is not there.", err=True)
    return [(name, photos) for name, photos in sets if photos]


def look(photo: str | Image.Image, ladder_only: bool) -> tuple[str, int, float, bool, bool] | None:
    """Return what found a face, its angle, the seconds that took, and whether HOG and dlib do; None if unreadable."""
    try:
        opened = open_photo(photo)
        start = time.perf_counter()
        faces, found_by = find(opened)
        seconds = time.perf_counter() - start
        hog_found = bool(hog_look(opened, HOG_SIDE, 0.0))
        dlib_found = not ladder_only and bool(dlib_detector()(np.asarray(opened.view()), DLIB_DOUBLINGS))
    except FaceSimError as error:
        click.echo(str(error), err=True)
        return None
    return found_by, faces[0].angle if faces else 0, seconds, hog_found, dlib_found


@functools.cache
def dlib_detector():
    """Return dlib's, once per process."""
    return dlib.get_frontal_face_detector()


def fta(missed: list[bool]) -> str:
    low, high = wilson_interval(sum(missed), len(missed))
    rate = sum(missed) / max(1, len(missed))
    return f"no face in {rate:.2%} ({low:.2%} to {high:.2%}): {sum(missed):,}"


def sample_pictures() -> list[str]:
    """Return the pictures that installed packages bring as samples, but for those with a face."""
    folders = [Path(find_spec(name).origin).parent for name in SAMPLES if find_spec(name)]
    pictures = {path: path.removeprefix(str(folder)) for folder in folders for path in photos_in(folder)}
    left_out = ("test", *WITH_FACES)
    return sorted(path for path, name in pictures.items() if not any(w in name for w in left_out) and is_picture(path))


def is_picture(path: str) -> bool:
    """Return whether a photo can be opened and is no icon."""
    try:
        return min(open_photo(path).size) >= MIN_SAMPLE
    except FaceSimError:
        return False


def made_pictures() -> list[Image.Image]:
    """Return pictures without a face, each kind in many variants, always the same."""
    random = np.random.default_rng(0)
    return [make(random) for make in (noise, texture, text, drawing, landscape) for _ in range(MADE)]


def noise(random: np.random.Generator) -> Image.Image:
    """Return noise of some coarseness."""
    cells = random.integers(0, 256, (*random.integers(4, 200, 2), 3), np.uint8)
    return Image.fromarray(cells).resize((640, 480), Image.Resampling(int(random.integers(0, 4))))


def texture(random: np.random.Generator) -> Image.Image:
    """Return waves laid over each other, as in cloth, wood or water."""
    y, x = np.mgrid[:480, :640]
    waves = [np.sin((x * a + y * b) / 40 + c)[..., None] * d for a, b, c, *d in random.normal(0, 2, (6, 6))]
    return Image.fromarray(np.clip(128 + 20 * np.sum(waves, axis=0), 0, 255).astype(np.uint8))


def text(random: np.random.Generator) -> Image.Image:
    """Return a page of letters in some size."""
    page = Image.new("RGB", (640, 480), "white")
    font = ImageFont.load_default(int(random.integers(8, 60)))
    letters = "".join(random.choice(list("abcdefghij klmnop qrstuv wxyz OQ80 .,:;()"), 4000))
    lines = "\n".join(letters[i : i + 100] for i in range(0, 4000, 100))
    ImageDraw.Draw(page).multiline_text((5, 5), lines, "black", font)
    return page


def drawing(random: np.random.Generator) -> Image.Image:
    """Return ellipses, boxes and lines in all colours."""
    picture = Image.new("RGB", (640, 480), tuple(random.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(picture)
    for _ in range(random.integers(5, 80)):
        (left, top), (width, height) = random.integers(0, 600, 2), random.integers(5, 200, 2)
        edges = (int(left), int(top), int(left + width), int(top + height))
        shape = (pen.ellipse, pen.rectangle, pen.line)[random.integers(3)]
        shape(edges, fill=tuple(random.integers(0, 256, 3).tolist()))
    return picture


def landscape(random: np.random.Generator) -> Image.Image:
    """Return a sky with a sun over hills, a little blurred."""
    rows = np.linspace(random.integers(100, 256, 3), random.integers(100, 256, 3), 480)
    picture = Image.fromarray(np.repeat(rows[:, None], 640, axis=1).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    sun, size = random.integers(50, 550), random.integers(10, 60)
    pen.ellipse((sun, 60, sun + size, 60 + size), fill="white")
    for horizon in (200, 300, 400):
        hills = horizon + np.cumsum(random.normal(0, 1.5, 640))
        outline = [(x, float(y)) for x, y in enumerate(hills)]
        pen.polygon([*outline, (640, 480), (0, 480)], fill=tuple(random.integers(0, 160, 3).tolist()))
    return picture.filter(ImageFilter.GaussianBlur(1))


def seconds_without_a_face(side: int) -> float:
    """Return what the fastest of three searches of a landscape takes."""
    picture = landscape(np.random.default_rng(0)).resize((side, side * 3 // 4))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        find(Photo("a landscape", picture))
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
