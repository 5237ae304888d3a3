"""How long does a verdict take from a cold start, and in how much memory?

python benchmarks/cold_start.py
"""

# Nothing heavy is imported in this process: a child's peak memory, as the kernel counts it, is at least its parent's.
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
FLOOR = ("-c", "import numpy, PIL.Image, dlib, onnxruntime")
SIDE = 250  # pixels, an LFW photo's
FACE_SHARE = 2.2  # of such a photo's side to its face's box
BYTES = 1 if sys.platform == "darwin" else 1024  # in one unit of ru_maxrss


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--photos",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Two photos to compare as they are, instead of the two examples cut to 250×250.",
)
@click.option("--runs", type=click.IntRange(1), default=20, show_default=True, help="Of each, alternating.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def main(photos, runs, as_json):
    """Print wall time and peak memory of a cold predict.py on two photos.

    Beside it stands the floor: a Python that imports numpy, Pillow, dlib and ONNX Runtime, and does nothing. After a
    warm-up the two run by turns, each in a fresh process, so that a busy machine slows both alike. The ratio is that
    of the medians.

    \b
    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --photos a.jpg b.jpg --runs 50
    """
    with tempfile.TemporaryDirectory() as folder:
        photos = photos or small_examples(Path(folder))
        commands = {"predict": (str(ROOT / "predict.py"), *photos), "floor": FLOOR}
        for arguments in commands.values():
            run(arguments)
        measured = {name: [] for name in commands}
        for _ in tqdm(range(runs), "running", unit="turn"):
            for name, arguments in commands.items():
                measured[name].append(run(arguments))
    results = {name: summary(*zip(*pairs, strict=True)) for name, pairs in measured.items()}
    results["ratio"] = results["predict"]["median_ms"] / results["floor"]["median_ms"]
    click.echo(json.dumps(results, indent=2) if as_json else table(results))


def small_examples(folder: Path) -> list[str]:
    """Cut the photos in `examples/` to 250×250 around the face, in a process of their own."""
    with ProcessPoolExecutor(1) as pool:
        return list(pool.map(cut_around_face, sorted((ROOT / "examples").glob("*.jpg"))[:2], [folder] * 2))


def cut_around_face(path: Path, folder: Path) -> str:
    from facesim.face import find_faces
    from facesim.photo import open_photo

    photo = open_photo(path)
    box = find_faces(photo)[0].box
    half = FACE_SHARE * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    square = photo.view().crop([round(edge) for edge in (x - half, y - half, x + half, y + half)])
    square.resize((SIDE, SIDE)).save(folder / path.name, quality=95)
    return str(folder / path.name)


def run(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Run Python afresh; return its wall time in seconds and its peak resident memory in bytes."""
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    # The warm-up leaves compiled modules behind, as a first run does on any machine that does not forbid it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, *arguments], environment, file_actions=silent)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1):  # the same, or different people
        raise click.ClickException(f"python {' '.join(arguments)} failed: see above.")
    return seconds, usage.ru_maxrss * BYTES


def summary(seconds: tuple[float, ...], peaks: tuple[float, ...]) -> dict[str, float]:
    return {
        "median_ms": statistics.median(seconds) * 1e3,
        "fastest_ms": min(seconds) * 1e3,
        "peak_mb": max(peaks) / 1e6,
    }


def table(results: dict) -> str:
    lines = [f"{'':<16}{'median':>11}{'fastest':>12}{'peak':>11}"]
    for name, of in (("predict.py A B", results["predict"]), ("floor", results["floor"])):
        lines.append(f"{name:<16}{of['median_ms']:>8.0f} ms{of['fastest_ms']:>9.0f} ms{of['peak_mb']:>8.0f} MB")
    return "\n".join([*lines, f"ratio{results['ratio']:>19.2f}"])


if __name__ == "__main__":
    main()
