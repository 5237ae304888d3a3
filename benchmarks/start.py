"""How soon does a command that cannot work say so?

python benchmarks/start.py
"""

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMANDS = (
    "--help",
    "predict missing.jpg grace_hopper.jpg",
    "predict grace_hopper.jpg grace_hopper.jpg -w missing.onnx",
    "serve --gallery missing",
    "enrol new missing.jpg --name Ana",
    "identify gallery missing.jpg",
    "rename gallery Nobody Ana",
    "export gallery --to gallery",
    "forget missing Ana",
    "evaluate --data missing",
    "sweep -w missing.onnx",
    "map missing",
    "inspect missing",
    "train --data missing",
    "adopt missing.onnx -o new.onnx",
)
FACESIM = (
    sys.executable,
    "-c",
    "import atexit, sys\nfrom facesim.cli import main\natexit.register(lambda: print(len(sys.modules)))\nmain()",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--turns", type=click.IntRange(1), default=7, show_default=True, help="Processes of each command.")
def main(turns):
    """Print how long commands take to refuse a wrong argument, as a Markdown table.

    Each is a process afresh: the median of its time, the least processor time, and how many modules are loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        for photo in EXAMPLES.glob("*.jpg"):
            (Path(folder) / photo.name).symlink_to(photo)
        run(folder, ["enrol", "gallery", "grace_hopper.jpg", "--name", "Grace"])
        print("| command | time | processor time | modules |\n|---|---|---|---|")
        for command in COMMANDS:
            measured = [run(folder, shlex.split(command)) for _ in range(turns)]
            seconds, worked, modules = zip(*measured, strict=True)
            print(f"| `{command}` | {statistics.median(seconds):.2f} s | {min(worked):.2f} s | {modules[0]} |")


def run(folder: str, arguments: list[str]) -> tuple[float, float, int]:
    """Return how many seconds a command takes, and a processor works for it, and how many modules it loads."""
    start, before = time.perf_counter(), os.times()
    ended = subprocess.run([*FACESIM, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - start, os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, worked, int(ended.stdout.split()[-1])


if __name__ == "__main__":
    main()
