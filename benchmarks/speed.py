"""How fast and how large is facesim, beside face_recognition and beside the floor?

python benchmarks/speed.py
"""

# Nothing heavy is imported in this process: a child's peak memory, as the kernel counts it, is at least its parent's.
import contextlib
import csv
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PARTS = ("cold", "warm", "large", "lfw", "pairs", "size")
CONTESTANTS = FACESIM, PEER, FLOOR = "facesim", "face_recognition", "floor"
PEER_VERSION = "1.3.0"
PEER_NEEDS = (f"face_recognition=={PEER_VERSION}", "setuptools<81")  # it imports pkg_resources, gone since
SMALL_SIDE, FACE_SHARE = 250, 2.2  # pixels, an LFW photo's; and of such a photo's side to its face's box
LARGE_SIZE, LARGE_FACE = (4000, 3000), 600  # pixels: a camera's photo, and the box of a face in it
GRAIN = 4  # of 255, a sensor's noise: without it a JPEG of that size is small, and quick to open
LARGE_TURNS = 3  # the peer takes half a minute for each
BULK_TURNS = 3
PAIRS, PAIRED_PHOTOS = 10_000, 2_000
MEMORY_PAUSE = 0.2  # seconds between two looks at the memory of a process and its children
BYTES = 1 if sys.platform == "darwin" else 1024  # in one unit of ru_maxrss
SEED = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what each contestant takes, in seconds ("s") or bytes ("B")."""

    what: str
    unit: str
    facesim: float
    face_recognition: float
    floor: float


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", help=f"The parts to run, of {','.join(PARTS)}, instead of all.")
@click.option("--turns", type=click.IntRange(1), default=20, show_default=True, help="Of the cold and the warm pair.")
@click.option(
    "--photos",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Two photos for the cold and the warm pair, instead of two examples cut to 250×250.",
)
@click.option("--lfw-photos", type=click.IntRange(BULK_TURNS), help="Embed so many of LFW's photos, instead of all.")
@click.option(
    "--peer-photos",
    type=click.IntRange(BULK_TURNS),
    default=400,
    show_default=True,
    help="So many of LFW's photos are for the peer; its time for all is extrapolated.",
)
@click.option(
    "--peer",
    type=click.Path(exists=True, dir_okay=False),
    help="A Python that has face_recognition, instead of one made in the cache.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def main(only, turns, photos, lfw_photos, peer_photos, peer, as_json):
    """Print what facesim takes, beside face_recognition and beside the floor, as a Markdown table.

    The floor is the libraries called bare on the same photos: imports, a look of the detector, a pass of the network
    (contestants.py). The three take turns, so that a busy machine slows all alike; the figures are medians.

    face_recognition is installed in a virtual environment of its own, in the cache, where there is none yet: dlib is
    compiled for it, which takes many minutes. LFW is looked for where training looks for it, and downloaded where it is
    missing; where it cannot be had its rows are left out. The whole table takes about half an hour on two cores.

    \b
    python benchmarks/speed.py
    python benchmarks/speed.py --only cold,warm --turns 50
    python benchmarks/speed.py --only cold --photos a.jpg b.jpg
    """
    parts = set(only.split(",") if only else PARTS)
    if unknown := parts - set(PARTS):
        raise click.UsageError(f"--only knows no {', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}.")
    pythons = {FACESIM: sys.executable, PEER: peer_python(peer), FLOOR: sys.executable}
    rows, left_out = [], []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = Path(folder)
        small, large = in_own_process(make_photos, folder)
        small, small_name = (photos, "the photos given") if photos else (small, f"{SMALL_SIDE}×{SMALL_SIDE} photos")
        large_name = "12-megapixel photos"
        lfw = find_lfw_photos(left_out) if parts & {"lfw", "pairs"} else []
        if not lfw:
            parts -= {"lfw", "pairs"}
        if parts - {"cold", "size"}:
            servers = {name: stack.enter_context(Server(name, python)) for name, python in pythons.items()}
        if "cold" in parts:
            rows += cold_rows(small_name, small, turns, pythons, folder)
        if "warm" in parts:
            rows.append(warm_row(small_name, small, turns, servers))
        if "large" in parts:
            rows += cold_rows(large_name, large, LARGE_TURNS, pythons, folder)
            rows.append(warm_row(large_name, large, LARGE_TURNS, servers))
        if "lfw" in parts:
            rows += lfw_rows(lfw[:lfw_photos], lfw[:peer_photos], servers)
        if "pairs" in parts:
            rows.append(pairs_row(lfw[:PAIRED_PHOTOS], lfw[: min(peer_photos, PAIRED_PHOTOS)], servers, folder))
        if "size" in parts:
            rows.append(size_row(pythons, folder))
    rows.sort(key=lambda row: row.unit != "s")
    notes = [*explanations(parts, turns, min(peer_photos, len(lfw))), *left_out]
    if as_json:
        click.echo(json.dumps({"rows": [asdict(row) for row in rows], "notes": notes}, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join([*table(rows), "", *notes]))


def peer_python(named: str | None) -> str:
    """Return a Python that has face_recognition: the one named, the one in the cache, or one made there now."""
    from pooch import os_cache

    folder = os_cache("facesim") / "benchmarks" / f"{PEER}-{PEER_VERSION}"
    python = named or str(folder / "bin" / "python")
    if not Path(python).exists():
        click.echo(f"{PEER} is installed in {folder}; dlib is compiled for it, which takes many minutes.", err=True)
        try:
            for command in (
                [sys.executable, "-m", "venv", str(folder)],
                [python, "-m", "pip", "install", *PEER_NEEDS],
            ):
                echo_and_run(command)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # half an environment would be taken for a whole one
            raise
    ask = f"import {PEER}; print(__import__('importlib.metadata').metadata.version('{PEER}'))"
    answer = subprocess.run([python, "-W", "ignore", "-c", ask], capture_output=True, text=True)
    if answer.stdout.strip() != PEER_VERSION:
        reason = (["it does not import", *(answer.stdout + answer.stderr).splitlines()])[-1]
        raise click.ClickException(f"{python} has no {PEER} {PEER_VERSION} ({reason}): install {' '.join(PEER_NEEDS)}.")
    return python


def echo_and_run(command: list[str]) -> None:
    click.echo(f"$ {shlex.join(command)}", err=True)
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise click.ClickException(f"{shlex.join(command)} failed: see above.")


def in_own_process(function: Callable, *arguments):
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def make_photos(folder: Path) -> list[tuple[str, str]]:
    """Make two pairs of photos from the first two examples: small ones, and ones of 12 megapixels."""
    from PIL import Image

    from facesim import Verifier

    examples = sorted((ROOT / "examples").glob("*.jpg"))[:2]
    verdict = Verifier().verify(*examples)
    made = []
    for make in (small_photo, large_photo):
        pair = []
        for example, face in zip(examples, (verdict.face1, verdict.face2), strict=True):
            path = folder / f"{make.__name__}_{example.name}"
            make(Image.open(example).convert("RGB"), face.box).save(path, quality=95)
            pair.append(str(path))
        made.append(tuple(pair))
    return made


def small_photo(photo, box):
    """Cut a square around a face's box, as LFW's photos are cut."""
    half = FACE_SHARE * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return photo.resize((SMALL_SIDE, SMALL_SIDE), box=fit((x - half, y - half, x + half, y + half), photo.size))


def fit(square: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    """Move a square into a photo of `size`, making it smaller where it has no room."""
    side = min(square[2] - square[0], *size)
    left, top = (min(max(0, start), room - side) for start, room in zip(square, size, strict=False))
    return left, top, left + side, top + side


def large_photo(photo, box):
    return camera_photo(photo, box, LARGE_SIZE)


def camera_photo(photo, box, size: tuple[int, int]):
    """Resize a photo, and set it in the middle of a camera's frame, on blurred colours, with a sensor's noise."""
    import numpy as np
    from PIL import Image

    frame = photo.resize((8, 6)).resize(size, Image.Resampling.BICUBIC)
    scale = LARGE_FACE / box.side * size[0] / LARGE_SIZE[0]
    portrait = photo.resize([round(side * scale) for side in photo.size], Image.Resampling.LANCZOS)
    frame.paste(portrait, [(room - side) // 2 for room, side in zip(frame.size, portrait.size, strict=True)])
    noise = np.random.default_rng(SEED).normal(0, GRAIN, (*size[::-1], 1))
    return Image.fromarray((np.asarray(frame) + noise).clip(0, 255).astype(np.uint8))


def find_lfw_photos(left_out: list[str]) -> list[str]:
    """Return LFW's photos, shuffled with a seed; none, and a note, where they cannot be had."""
    try:
        photos = in_own_process(lfw_paths)
    except Exception as error:
        left_out.append(f"The rows on LFW are left out: {error}")
        return []
    random.Random(SEED).shuffle(photos)
    return photos


def lfw_paths() -> list[str]:
    from facesim.data.lfw import find_lfw

    return [str(path) for path in find_lfw()[0].paths()]


class Server:
    """A contestant that stays: loaded once, then asked again and again (contestants.py)."""

    def __init__(self, name: str, python: str):
        command = [python, "-W", "ignore", "-c", "import contestants; contestants.main()", name, "serve"]
        self._process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._name, self.pid = name, self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, method: str, *arguments) -> float:
        """Return the seconds that the contestant's method takes."""
        self._process.stdin.write(json.dumps({method: arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise click.ClickException(f"{self._name} failed: see above.")
        return float(answer)


def environment() -> dict[str, str]:
    """Return the children's environment: compiled modules may be kept, as on any machine that does not forbid it."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = {"ORT_DISABLE_TELEMETRY": "1"}  # facesim itself sets it; the floor has none of facesim
    return kept | quiet | {"PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT)))}


def by_turns(title: str, turns: int, actions: dict[str, Callable]) -> dict[str, list]:
    """Call each action in turn, `turns` times, with the number of the turn; return what each gave."""
    results = {name: [] for name in actions}
    with tqdm(total=turns * len(actions), desc=title, unit="run") as progress:
        for turn in range(turns):
            for name, action in actions.items():
                results[name].append(action(turn))
                progress.update()
    return results


def cold_rows(size: str, photos: tuple[str, str], turns: int, pythons: dict[str, str], folder: Path) -> list[Row]:
    """Time Python processes that compare one pair, and weigh them."""
    bare = ["-W", "ignore", "-c", "import contestants; contestants.main()"]
    commands = {
        FACESIM: [str(ROOT / "predict.py"), *photos],
        PEER: [*bare, PEER, "compare", *photos],
        FLOOR: [*bare, FLOOR, "compare", *photos],
    }

    def action(name: str):
        return lambda turn: run([pythons[name], *commands[name]], folder / "output")

    actions = {name: action(name) for name in CONTESTANTS}
    for warm_up in actions.values():
        warm_up(0)
    results = by_turns(f"cold pair, {size}", turns, actions)
    seconds = {name: statistics.median(time for time, _ in runs) for name, runs in results.items()}
    peaks = {name: max(peak for _, peak in runs) for name, runs in results.items()}
    return [Row(f"cold pair, {size}", "s", **seconds), Row(f"peak memory: cold pair, {size}", "B", **peaks)]


def run(command: list[str], output: Path, statuses: tuple[int, ...] = (0, 1)) -> tuple[float, int]:
    """Run a command afresh; return its wall time in seconds and its peak resident memory in bytes.

    Raises ClickException when it ends with none of the `statuses`: 0 and 1 are the same, and different people.
    """
    to_file = [(os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, environment(), file_actions=to_file)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in statuses:
        raise click.ClickException(f"{shlex.join(command)} failed: see above.")
    return seconds, usage.ru_maxrss * BYTES


def warm_row(size: str, photos: tuple[str, str], turns: int, servers: dict[str, Server]) -> Row:
    """Time one pair in processes that have compared it before; the photos are opened afresh."""
    actions = {name: lambda turn, server=server: server.ask("compare", *photos) for name, server in servers.items()}
    for warm_up in actions.values():
        warm_up(0)
    results = by_turns(f"warm pair, {size}", turns, actions)
    return Row(f"warm pair, {size}", "s", **{name: statistics.median(times) for name, times in results.items()})


def lfw_rows(photos: list[str], peer_photos: list[str], servers: dict[str, Server]) -> list[Row]:
    """Time the embedding of photos in all cores, by turns a part of them each, and weigh it."""
    shares = {FACESIM: photos, PEER: peer_photos, FLOOR: photos}
    start_all_cores(servers, photos)
    actions = {
        name: lambda turn, name=name: weighed(servers[name], shares[name][turn::BULK_TURNS]) for name in CONTESTANTS
    }
    results = by_turns("LFW", BULK_TURNS, actions)
    seconds = {name: sum(time for time, _ in runs) * len(photos) / len(shares[name]) for name, runs in results.items()}
    rows = [Row(f"{len(photos):,} LFW photos embedded", "s", **seconds)]
    if all(peak for runs in results.values() for _, peak in runs):
        peaks = {name: max(peak for _, peak in runs) for name, runs in results.items()}
        rows.append(Row("peak memory: LFW, all processes", "B", **peaks))
    return rows


def start_all_cores(servers: dict[str, Server], photos: list[str]) -> None:
    for server in servers.values():
        server.ask("embed", photos[: 8 * (os.cpu_count() or 1)])


def weighed(server: Server, photos: list[str]) -> tuple[float, int]:
    """Embed photos; return the seconds, and the most memory that the server and its children had, 0 if not known."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(MEMORY_PAUSE):
            peak = max(peak, sum(map(own_memory, family(server.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return server.ask("embed", photos), peak
    finally:
        done.set()
        watcher.join()


def family(pid: int) -> Iterator[int]:
    """Yield a process and all below it; on Linux."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    members = [pid]
    for member in members:
        yield member
        members += [child for child, parent in parents.items() if parent == member]


def own_memory(pid: int) -> int:
    """Return a process's proportional set size in bytes, which shares out shared pages."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def pairs_row(photos: list[str], peer_photos: list[str], servers: dict[str, Server], folder: Path) -> Row:
    """Time `predict --pairs`; for the others, each photo embedded once in all cores, then a distance for each pair."""
    draw = random.Random(SEED)
    table_of_pairs = folder / "pairs.csv"
    with table_of_pairs.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("photo1", "photo2"))
        writer.writerows(draw.sample(photos, 2) for _ in range(PAIRS))
    output = folder / "verdicts"

    def predict(turn: int) -> float:
        command = [sys.executable, str(ROOT / "predict.py"), "--pairs", str(table_of_pairs)]
        seconds, _ = run(command, output, statuses=(0, 2))  # 2: some photo shows no face
        if (lines := output.read_bytes().count(b"\n")) < PAIRS:
            raise click.ClickException(f"predict --pairs printed {lines} lines for {PAIRS} pairs.")
        return seconds

    def peer(turn: int) -> float:
        share = peer_photos[turn::BULK_TURNS]
        embedding = servers[PEER].ask("embed", share) * len(photos) / len(share)
        return embedding + servers[PEER].ask("distances", PAIRS)

    def floor(turn: int) -> float:
        return servers[FLOOR].ask("embed", photos) + servers[FLOOR].ask("distances", PAIRS)

    start_all_cores(servers, photos)
    results = by_turns("pairs", BULK_TURNS, {FACESIM: predict, PEER: peer, FLOOR: floor})
    seconds = {name: statistics.median(times) for name, times in results.items()}
    return Row(f"{PAIRS:,} pairs of {len(photos):,} LFW photos", "s", **seconds)


def size_row(pythons: dict[str, str], folder: Path) -> Row:
    """Install facesim without any extra in an environment of its own, and add up the files of each contestant."""
    source, bare = folder / "source", folder / "environment"
    no_source = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "tests", "__pycache__")
    shutil.copytree(ROOT, source, ignore=no_source)  # pip leaves a build in the folder it installs from
    python = str(bare / "bin" / "python")
    for command in ([sys.executable, "-m", "venv", str(bare)], [python, "-m", "pip", "install", "-q", str(source)]):
        echo_and_run(command)

    def size(name: str) -> int:
        command = [pythons[PEER] if name == PEER else python, "-c", "import contestants; contestants.main()"]
        alone = environment() | {"PYTHONPATH": str(HERE)}  # of facesim, what was installed
        answer = subprocess.run([*command, name, "size"], env=alone, cwd=folder, stdout=subprocess.PIPE, check=True)
        return int(answer.stdout)

    return Row("installed", "B", **{name: size(name) for name in CONTESTANTS})


def table(rows: list[Row]) -> list[str]:
    """Lay the rows out as a Markdown table."""
    lines = [
        f"| | facesim | {PEER} {PEER_VERSION} | floor | beside {PEER} | beside the floor |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = row.face_recognition / row.facesim
        faster = f"{ratio:.1f}× faster" if ratio < 10 else f"{ratio:.0f}× faster"
        beside = faster if row.unit == "s" else f"{1 / ratio:.2f}×"
        figures = (amount(value, row.unit) for value in (row.facesim, row.face_recognition, row.floor))
        lines.append(f"| {row.what} | {' | '.join(figures)} | {beside} | {row.facesim / row.floor:.2f}× |")
    return lines


def amount(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 1e6:.0f} MB"
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def explanations(parts: set[str], turns: int, peer_photos: int) -> list[str]:
    """Say, part by part, what was measured."""
    said = {
        "cold": f"Cold: a Python process afresh, `predict.py A B` and its like; median of {turns}.",
        "warm": f"Warm: in a process that has done it before, the photos opened afresh; median of {turns}.",
        "large": f"12 megapixels: JPEGs of {LARGE_SIZE[0]}×{LARGE_SIZE[1]}, a face of {LARGE_FACE} pixels; median of "
        f"{LARGE_TURNS}.",
        "lfw": f"LFW: `Verifier().embed(photos)`; for {PEER} as many processes as cores, and the time for all photos "
        f"extrapolated from {peer_photos} of them.",
        "pairs": f"Pairs: `predict.py --pairs`, a process afresh; for {PEER} each photo encoded once, in all cores "
        f"(extrapolated from {peer_photos} of them), then a distance for each pair.",
        "size": "Installed: the files of a tool's distributions and of all they require, without pip and setuptools.",
    }
    machine = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    floor = "The floor: the libraries called bare, one look of the detector and one pass of the network for each photo."
    return [f"On {machine}. {floor}", *(line for part, line in said.items() if part in parts)]


if __name__ == "__main__":
    main()
