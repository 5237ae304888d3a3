"""Is this checkout slower than another commit? `speed.py --against` has both do the same, by turns."""

import contextlib
import io
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from measuring import PROGRAM, ROOT, Server, amount, by_turns, environment, run
from speed_photos import PAIRS, SEED, Photos, write_pairs

PARTS = ("cold", "warm", "large", "lfw", "pairs", "gallery", "evaluate")
LONG_PARTS = {"evaluate"}  # only where asked for
LFW_PHOTOS = 100  # a turn
MIN_TURNS = 8  # with fewer, an interval of a median says nothing
CONFIDENCE = 0.99  # with 95 %, one of the table's rows would be called slower by chance at nearly every run
RESAMPLES = 2_000
FACESIM = (*PROGRAM, "from facesim.cli import main; main(prog_name='facesim')")  # a Python's arguments
WORSE = {"s": ("slower", "faster"), "B": ("larger", "smaller")}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A line of the table: the medians of seconds ("s") or bytes ("B") here and there, and the ratio of here to there.

    `ratio` is the median of the turns' ratios, `interval` its bootstrap interval (99 %).
    """

    what: str
    unit: str
    here: float
    there: float
    ratio: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        worse, better = WORSE[self.unit]
        low, high = self.interval
        return worse if low > 1 else better if high < 1 else ""


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout of facesim, a process that serves it, and a folder for what it writes."""

    root: Path
    server: Server
    folder: Path

    def predict(self, *arguments: str, statuses: tuple[int, ...] = (0, 1)) -> tuple[float, int]:
        return self._run(str(self.root / "predict.py"), *arguments, statuses=statuses)

    def facesim(self, *arguments: str, **variables: str) -> tuple[float, int]:
        return self._run(*FACESIM, *arguments, statuses=(0,), **variables)

    def gallery(self, photo: str) -> str:
        """Return a gallery of one person, made the first time."""
        gallery = str(self.folder / "gallery")
        if not Path(gallery).exists():
            self.facesim("enrol", gallery, photo, "--name", "Ana")
        return gallery

    def evaluate(self, data: Path) -> tuple[float, int]:
        """Evaluate on LFW's test people, with nothing cached."""
        cache = self.folder / "cache"
        try:
            return self.facesim("evaluate", FACESIM_DATA=str(data), XDG_CACHE_HOME=str(cache))
        finally:
            shutil.rmtree(cache, ignore_errors=True)

    def _run(self, *arguments: str, statuses: tuple[int, ...], **variables: str) -> tuple[float, int]:
        command = [sys.executable, *arguments]
        return run(command, self.folder / "output", statuses, environment(self.root) | variables)


def compare_trees(
    other: str, parts: set[str], turns: int, photos: Photos, folder: Path, left_out: list[str]
) -> list[Comparison]:
    """Compare this checkout with `other`, a commit or the folder of a checkout; note what one of them cannot do."""
    comparisons = []
    with contextlib.ExitStack() as stack:
        trees = {}
        for name, root in (("here", ROOT), ("there", checkout(other, folder / "checkout"))):
            (folder / name).mkdir()
            server = stack.enter_context(Server("facesim", sys.executable, root))
            trees[name] = Tree(root, server, folder / name)
        for what, measure in measures(parts, photos, folder):
            actions = {name: lambda turn, tree=tree, measure=measure: measure(tree) for name, tree in trees.items()}
            try:
                for warm_up in actions.values():
                    warm_up(0)
                results = by_turns(what, turns, actions)
            except click.ClickException as error:
                left_out.append(f"{what} is left out: {error.message}")
                continue
            for unit, here, there in zip("sB", *(zip(*runs, strict=True) for runs in results.values()), strict=True):
                if all(here + there):
                    comparisons.append(compare(what if unit == "s" else f"peak memory: {what}", unit, here, there))
    return sorted(comparisons, key=lambda comparison: comparison.unit != "s")


def checkout(other: str, folder: Path) -> Path:
    """Return a checkout: the folder named, or a commit's files, copied to `folder`."""
    if (Path(other) / "predict.py").exists():
        return Path(other).resolve()
    archived = subprocess.run(["git", "-C", str(ROOT), "archive", other], capture_output=True)
    if archived.returncode:
        reason = archived.stderr.decode().strip()
        raise click.ClickException(f"{other} is neither a commit nor the folder of a checkout ({reason}).")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def measures(
    parts: set[str], photos: Photos, folder: Path
) -> Iterator[tuple[str, Callable[[Tree], tuple[float, int]]]]:
    """Yield what is measured, and a function that does it once in a checkout: its seconds, and bytes or 0."""
    if "cold" in parts:
        yield f"cold pair, {photos.small_name}", lambda tree: tree.predict(*photos.small)
    if "warm" in parts:
        yield f"warm pair, {photos.small_name}", lambda tree: (tree.server.ask("compare", *photos.small), 0)
    if "large" in parts:
        yield "cold pair, 12 megapixels", lambda tree: tree.predict(*photos.large)
        yield "warm pair, 12 megapixels", lambda tree: (tree.server.ask("compare", *photos.large), 0)
    if "lfw" in parts:
        yield f"{len(photos.lfw):,} LFW photos embedded", lambda tree: (tree.server.ask("embed", photos.lfw), 0)
    if "pairs" in parts:
        pairs = str(write_pairs(photos.lfw, folder / "pairs.csv"))
        statuses = (0, 2)  # 2: some photo shows no face
        what = f"{PAIRS:,} pairs of {len(photos.lfw):,} LFW photos"
        yield what, lambda tree: tree.predict("--pairs", pairs, statuses=statuses)
    if "gallery" in parts:
        photo = photos.small[0]
        yield "facesim list", lambda tree: tree.facesim("list", tree.gallery(photo))
        yield "facesim identify", lambda tree: tree.facesim("identify", tree.gallery(photo), photo)
        yield "facesim list --help", lambda tree: tree.facesim("list", "--help")
    if "evaluate" in parts:
        yield "facesim evaluate", lambda tree: tree.evaluate(Path(photos.lfw[0]).parents[2])


def compare(what: str, unit: str, here: tuple[float, ...], there: tuple[float, ...]) -> Comparison:
    """Compare what the turns gave here and there, turn by turn."""
    ratios = [ours / theirs for ours, theirs in zip(here, there, strict=True)]
    draw = random.Random(SEED)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    beyond = round((1 - CONFIDENCE) / 2 * RESAMPLES)
    interval = medians[beyond], medians[-1 - beyond]
    return Comparison(
        what, unit, statistics.median(here), statistics.median(there), statistics.median(ratios), interval
    )


def table(comparisons: list[Comparison], other: str) -> list[str]:
    """Lay the comparisons out as a Markdown table."""
    lines = [f"| | here | {other} | ratio (99 %) | |", "|---|---|---|---|---|"]
    for row in comparisons:
        low, high = row.interval
        figures = f"{amount(row.here, row.unit)} | {amount(row.there, row.unit)}"
        lines.append(f"| {row.what} | {figures} | {row.ratio:.3f} ({low:.3f} to {high:.3f}) | {row.verdict} |")
    return lines


def explanations(turns: int) -> list[str]:
    return [
        f"Medians of {turns} turns. The ratio is the median of the turns' ratios, its interval a bootstrap over turns.",
        "Slower or faster: all of the interval is above or below 1. By chance, that is so in one row of a hundred,",
        "and on a busy machine in more: repeat such a row with more turns (--only warm --turns 100) to be sure.",
    ]
