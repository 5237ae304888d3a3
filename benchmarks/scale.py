"""What does a large run of `facesim embed` cost, from its first photo to its last, and when it is killed half-way?

python benchmarks/scale.py --engine local --faces largest --keep results
python benchmarks/scale.py --engine ray --faces largest --keep results
"""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from measuring import HERE, family, own_memory
from speed_photos import find_lfw_photos
from tqdm import tqdm

from facesim.cores import cores
from facesim.detector.box import Box
from facesim.detector.selection import EmbeddedPhoto, FoundFace
from facesim.errors import FaceSimError
from facesim.gallery.maintenance import gallery_stats
from facesim.gallery.store import open_gallery
from facesim.verifier import Verifier

ENGINES = ("local", "ray")
PHASES = ("whole", "killed")
PHOTOS_PER_FOLDER = 1000
PAUSE = 1.0  # seconds between two looks at a run
WAITS = {"local": "embed; embed.SECONDS_PER_WRITE", "ray": "ray_engine; ray_engine.SECONDS_PER_COMMIT"}


@dataclass(frozen=True, slots=True)
class Look:
    """What can be seen of a run at a moment."""

    seconds: float  # since its start
    rows: int  # in the gallery
    command: float  # MB of memory of the command's own process
    all: float  # and of all processes below it, too


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--photos", type=click.IntRange(100), default=100_000, show_default=True, help="Photos in a run.")
@click.option("--engine", type=click.Choice(ENGINES), help="This engine, instead of both.")
@click.option("--faces", type=click.Choice(("all", "largest")), default="all", show_default=True, help="As in embed.")
@click.option("--phase", type=click.Choice(PHASES), help="This phase, instead of both; the whole run comes first.")
@click.option("--keep", type=click.Path(file_okay=False), help="Keep galleries and figures here, and go on from them.")
@click.option("--write-every", type=float, help="Seconds between two writes, for a short trial with many writes.")
@click.option("--made-up", is_flag=True, help="Make up a face for each photo: how fast is all but the embedding?")
def main(photos, engine, faces, phase, keep, write_every, made_up):
    """Print what a run over many photos costs, as Markdown tables.

    The photos are LFW's, many times over, as links under other names. There are two phases: a whole run, whose speed
    and memory are followed from outside; and a run that is killed half-way by SIGKILL and run again, whose rows must be
    the same. LFW is looked for where training looks for it, and downloaded where it is missing. On Linux only.

    With the largest faces only, a phase takes some 25 minutes on two cores for 100,000 photos; with all faces four
    times as long. With --keep, its figures are written down as soon as it ends, and it is not run again: so the phases
    can be run one at a time, and one that was stopped can be repeated.
    """
    if made_up and engine != "local":
        raise click.UsageError("--made-up is for --engine local: Ray's workers are processes of their own.")
    trial = [f"import sys; sys.path.insert(0, {str(HERE)!r}); import scale; scale.make_up_faces()"] * made_up
    with contextlib.ExitStack() as stack:
        folder = Path(keep or stack.enter_context(tempfile.TemporaryDirectory())).absolute()
        collection = link_photos(folder / "photos", photos)
        for each in (engine,) if engine else ENGINES:
            for name in (phase,) if phase else PHASES:
                figures = folder / f"{each}-{name}.json"
                if not figures.exists():
                    shutil.rmtree(folder / f"{each}-{name}", ignore_errors=True)  # of a phase that was stopped
                    waits = [f"from facesim.gallery import {WAITS[each]} = {write_every}"] * (write_every is not None)
                    run = Run(collection, folder / f"{each}-{name}", each, faces, photos, [*trial, *waits])
                    told = PHASE[name](run, folder)
                    scratch = figures.with_suffix(".part")
                    scratch.write_text(json.dumps(told))
                    scratch.replace(figures)
        print_tables(folder)


def link_photos(folder: Path, count: int) -> Path:
    """Fill a folder with so many links to LFW's photos, in folders of 1,000 each."""
    left_out: list[str] = []
    photos = find_lfw_photos(left_out)
    if not photos:
        raise click.ClickException(" ".join(left_out))
    if folder.exists():
        held = sum(len(files) for _, _, files in os.walk(folder))
        if held != count:
            raise click.ClickException(f"{folder} holds {held:,} photos: name another folder by --keep.")
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent))
    for i in tqdm(range(count), "linking", leave=False, disable=None):
        parent = scratch / f"{i // PHOTOS_PER_FOLDER:06}"
        if i % PHOTOS_PER_FOLDER == 0:
            parent.mkdir()
        (parent / f"{i:09}.jpg").symlink_to(photos[i % len(photos)])
    return scratch.rename(folder)


class Run:
    """Runs of `facesim embed` into one gallery, each in a process of its own."""

    def __init__(self, photos: Path, gallery: Path, engine: str, faces: str, count: int, before: list[str]):
        self.photos, self.gallery, self.engine, self.faces, self.count = photos, gallery, engine, faces, count
        program = "; ".join([*before, "from facesim.cli import main; main()"])
        self.command = [sys.executable, "-c", program, "embed", photos, "--to", gallery, "--json"]
        self.command += ["--engine", engine, "--faces", faces]

    def follow(self, stop: Callable[[Look], bool] = lambda look: False) -> tuple[list[Look], dict[str, Any]]:
        """Run the command; return what was seen on the way, and what it printed. It is killed once `stop` is true."""
        start, looks = time.perf_counter(), []
        child = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with tqdm(total=self.count, desc=f"{self.engine}, {self.gallery.name}", unit="row", disable=None) as bar:
            while child.poll() is None:
                time.sleep(PAUSE)
                own, *others = map(own_memory, family(child.pid))
                look = Look(time.perf_counter() - start, self.rows(), own / 1e6, (own + sum(others)) / 1e6)
                looks.append(look)
                bar.update(look.rows - bar.n)
                if stop(look):
                    processes = list(family(child.pid))
                    child.kill()
                    wait_for_the_end_of(processes)
        printed, said = child.communicate()
        looks.append(Look(time.perf_counter() - start, self.rows(), 0, 0))
        if child.returncode not in (0, 2, -signal.SIGKILL):
            raise click.ClickException(said)
        return looks, json.loads(printed) if printed else {}

    def rows(self) -> int:
        """Return how many rows the gallery has; 0 as long as there is none."""
        try:
            return open_gallery(str(self.gallery)).count_rows()
        except FaceSimError:
            return 0

    def digest(self) -> str:
        """Return a digest of all rows, in whatever order they are."""
        digests = sorted(
            hashlib.blake2b(repr(row._replace(embedding=None)).encode() + numbers(row.embedding)).digest()
            for row in open_gallery(str(self.gallery)).rows()
        )
        return hashlib.blake2b(b"".join(digests)).hexdigest()


def numbers(embedding: np.ndarray | None) -> bytes:
    return b"" if embedding is None else embedding.tobytes()


def make_up_faces() -> None:
    """Let facesim see a face on each photo, with an embedding that is drawn by the photo's path, and open none."""

    def embed_faces(verifier: Verifier, photo: str, selection: str = "all") -> EmbeddedPhoto:
        drawn = np.random.default_rng(zlib.crc32(photo.encode())).normal(size=(1, verifier.model.embedding_size))
        face = FoundFace(photo, Box(0, 0, 99, 99), 1)
        return EmbeddedPhoto([face], (drawn / np.linalg.norm(drawn)).astype(np.float32))

    Verifier.embed_faces = embed_faces


def wait_for_the_end_of(processes: list[int]) -> None:
    """Wait until processes have ended, as Ray's do a while after the command."""
    while any(Path(f"/proc/{process}").exists() and own_memory(process) for process in processes):
        time.sleep(PAUSE)


def whole(run: Run, _: Path) -> dict[str, Any]:
    """Embed all photos in one run, and once more, when there is nothing to do."""
    looks, sums = run.follow()
    again, nothing = run.follow()
    if nothing["known_before"] + nothing["unreadable"] != run.count:
        raise click.ClickException(f"the second run found something to do: {nothing}")
    seconds = looks[-1].seconds
    tenths = [tenth(looks, part) for part in (0, 9)]
    return {
        "engine": run.engine,
        "selection": run.faces,
        "photos": run.count,
        "cores": cores(),
        "faces": sums["faces"],
        "seconds": seconds,
        "speeds": [0.1 * run.count / (end - start) for start, end in tenths],
        "command": [float(np.median([look.command for look in between(looks, span)])) for span in tenths],
        "all": [float(np.median([look.all for look in between(looks, span)])) for span in tenths],
        "peak": [max(look.command for look in looks), max(look.all for look in looks)],
        "bytes": gallery_stats(open_gallery(str(run.gallery))).bytes,
        "known": again[-1].seconds,
        "digest": run.digest(),
    }


def tenth(looks: list[Look], part: int) -> tuple[float, float]:
    """Return when a tenth of the rows, 0 to 9, was begun and ended, in seconds; rows come in writes, evenly between."""
    written = looks[:1] + [later for earlier, later in itertools.pairwise(looks) if later.rows > earlier.rows]
    rows, seconds = [look.rows for look in written], [look.seconds for look in written]
    start, end = np.interp([part / 10 * rows[-1], (part + 1) / 10 * rows[-1]], rows, seconds)
    return float(start), float(end)


def between(looks: list[Look], span: tuple[float, float]) -> list[Look]:
    """Return what was seen in a span of time, or what was seen first after it began."""
    start, end = span
    return [look for look in looks[:-1] if start <= look.seconds <= end] or looks[-2:-1]


def killed(run: Run, folder: Path) -> dict[str, Any]:
    """Kill a run once half of the rows are there, and run it again."""
    figures = folder / f"{run.engine}-whole.json"
    if not figures.exists():
        raise click.ClickException(f"{figures} does not exist: run --phase whole first.")
    expected = json.loads(figures.read_text())
    first, _ = run.follow(stop=lambda look: look.rows >= expected["faces"] / 2)
    second, sums = run.follow()
    return {
        "engine": run.engine,
        "killed": first[-1].seconds,
        "known": sums["known_before"],
        "seconds": second[-1].seconds,
        "same": run.digest() == expected["digest"],
    }


PHASE = {function.__name__: function for function in (whole, killed)}


def print_tables(folder: Path) -> None:
    """Print the figures of all phases that are in a folder."""
    figures = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*-*.json"))}
    print("| engine, faces | photos | seconds | photos a second | first tenth | last tenth | for each core ", end="")
    print("| memory: first tenth | last tenth | peak | bytes a photo |\n" + "|---" * 11 + "|")
    for name, told in figures.items():
        if name.endswith("whole"):
            speed = told["photos"] / told["seconds"]
            memory = [*zip(told["command"], told["all"], strict=True), told["peak"]]
            columns = [
                f"{told['engine']}, {told['selection']}",
                f"{told['photos']:,}",
                f"{told['seconds']:,.0f}",
                *(f"{each:.1f}" for each in (speed, *told["speeds"], speed / told["cores"])),
                *(f"{own:,.0f} MB ({every:,.0f} MB)" for own, every in memory),
                f"{told['bytes'] / told['photos']:,.0f}",
            ]
            print(f"| {' | '.join(columns)} |")
    print("\nMemory of the command, and in brackets of all its processes together (proportional set sizes).\n")
    print("| engine | killed after | photos known then | continued | rows | nothing to do |\n" + "|---" * 6 + "|")
    for name, told in figures.items():
        if name.endswith("killed"):
            rows = "the same" if told["same"] else "NOT the same"
            known = figures[f"{told['engine']}-whole"]["known"]
            print(
                f"| {told['engine']} | {told['killed']:,.0f} s | {told['known']:,} | {told['seconds']:,.0f} s ", end=""
            )
            print(f"| {rows} | {known:,.1f} s |")
    print("\nRows: those of the run that nobody killed, to the bit. Nothing to do: all photos are known already.\n")


if __name__ == "__main__":
    main()
