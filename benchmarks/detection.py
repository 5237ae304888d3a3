"""In how many photos is no face found, by facesim's ladder and by dlib's detector alone?

python benchmarks/detection.py
"""

import functools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
import dlib
import numpy as np
from tqdm import tqdm

from facesim import FaceSimError
from facesim.data.lfw import data_home, find_lfw
from facesim.evaluation.uncertainty import wilson_interval
from facesim.face import LADDER, climb
from facesim.photo import open_photo, photos_in

DLIB_DOUBLINGS = 1  # of the photo's size, as face_recognition has it
LAST_RUNG = len(LADDER)  # where the tilts agreed


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Look at every n-th photo only.")
@click.option("--ladder-only", is_flag=True, help="Leave dlib's detector alone out: it takes most of the time.")
def main(folders, every, ladder_only):
    """Print the failure-to-acquire rate (FTA) on LFW, on Pins and on the photos of any FOLDERS.

    FTA is the share of photos in which no face is found, with its 95 % interval (Wilson). Beside facesim's ladder
    stands dlib's frontal face detector alone, upsampling once, as face_recognition runs it. Then follows how many
    photos each rung of the ladder found a face in, and how many faces it had to turn for that. Whether the face is the
    right one is not asked. FACESIM_DATA names the folder that holds lfw and pins; a missing LFW is downloaded, and a
    set that cannot be had is skipped.

    Takes some fifteen minutes on two cores, a third of that without dlib.
    """
    for name, paths in photo_sets(folders):
        with ProcessPoolExecutor() as pool:
            found = pool.map(functools.partial(look, ladder_only=ladder_only), paths[::every], chunksize=16)
            looks = list(tqdm(found, name, len(paths[::every]), unit="photo"))
        looks = [look for look in looks if look is not None]
        click.echo(f"{name}: {len(looks):,} photos" + (f", every {every}th" if every > 1 else ""))
        click.echo(f"  facesim  {fta([rung is None for rung, _, _ in looks])}")
        if not ladder_only:
            click.echo(f"  dlib     {fta([not dlib_found for _, _, dlib_found in looks])}")
        for rung in range(LAST_RUNG + 1):
            angles = [angle for reached, angle, _ in looks if reached == rung]
            label = f"rung {rung + 1}" if rung < LAST_RUNG else "agreed"
            click.echo(f"  {label:7}  {len(angles):6,} found, {np.count_nonzero(angles):,} of them turned")


def photo_sets(folders: tuple[Path, ...]) -> list[tuple[str, list[str]]]:
    """Return each set's name and photos."""
    sets = []
    try:
        sets.append(("lfw", [str(path) for path in find_lfw()[0].paths()]))
    except FaceSimError as error:
        click.echo(f"lfw is skipped: {error}", err=True)
    for folder in (data_home() / "pins", *folders):
        paths = list(photos_in(folder))
        if paths:
            sets.append((folder.name, paths))
        else:
            click.echo(f"{folder.name} is skipped: there is no photo in {folder}.", err=True)
    return sets


def look(path: str, ladder_only: bool) -> tuple[int | None, int, bool] | None:
    """Return the rung that found a face (None: none did), its angle, and whether dlib finds one; None if unreadable."""
    try:
        photo = open_photo(path)
        faces, rung = climb(photo)
        dlib_found = not ladder_only and bool(dlib_detector()(np.asarray(photo.view()), DLIB_DOUBLINGS))
    except FaceSimError as error:
        click.echo(str(error), err=True)
        return None
    return (rung, faces[0].angle, dlib_found) if faces else (None, 0, dlib_found)


@functools.cache
def dlib_detector():
    """Return dlib's, once per process."""
    return dlib.get_frontal_face_detector()


def fta(missed: list[bool]) -> str:
    low, high = wilson_interval(sum(missed), len(missed))
    rate = sum(missed) / max(1, len(missed))
    return f"FTA {rate:.2%} ({low:.2%} to {high:.2%}), {sum(missed):,} missed"


if __name__ == "__main__":
    main()
