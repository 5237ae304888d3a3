"""facesim beside its peers and beside the floor, by turns: the table that speed.py prints."""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from measuring import (
    CONTESTANT,
    HERE,
    ROOT,
    Server,
    amount,
    by_turns,
    echo_and_run,
    environment,
    run,
    weighed,
)
from peers import TITLES, find_peers
from speed_photos import LARGE_FACE, LARGE_SIZE, PAIRS, Photos, write_pairs

FACESIM, FLOOR = "facesim", "floor"
PARTS = ("cold", "warm", "large", "lfw", "pairs", "size")
LARGE_NAME = "12-megapixel photos"
LARGE_TURNS = 3  # face_recognition takes half a minute for each
BULK_TURNS = 3
PAIRED_PHOTOS = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what each contestant takes, in seconds ("s") or bytes ("B")."""

    what: str
    unit: str
    figures: dict[str, float]


def compare_tools(
    parts: set[str], turns: int, photos: Photos, peer_photos: int, folder: Path, left_out: list[str]
) -> list[Row]:
    """Measure facesim, the peers that can be had, and the floor; note what is left out."""
    pythons = {FACESIM: sys.executable, **find_peers(left_out), FLOOR: sys.executable}
    rows = []
    with contextlib.ExitStack() as stack:
        if parts - {"cold", "size"}:
            servers = {name: stack.enter_context(Server(name, python)) for name, python in pythons.items()}
        if "cold" in parts:
            rows += cold_rows(photos.small_name, photos.small, turns, pythons, folder)
        if "warm" in parts:
            rows.append(warm_row(photos.small_name, photos.small, turns, servers))
        if "large" in parts:
            rows += cold_rows(LARGE_NAME, photos.large, LARGE_TURNS, pythons, folder)
            rows.append(warm_row(LARGE_NAME, photos.large, LARGE_TURNS, servers))
        if "lfw" in parts:
            rows += lfw_rows(photos.lfw, peer_photos, servers)
        if "pairs" in parts:
            rows.append(pairs_row(photos.lfw[:PAIRED_PHOTOS], peer_photos, servers, folder))
        if "size" in parts:
            rows.append(size_row(pythons, folder))
    return sorted(rows, key=lambda row: row.unit != "s")


def cold_rows(size: str, photos: tuple[str, str], turns: int, pythons: dict[str, str], folder: Path) -> list[Row]:
    """Time Python processes that compare one pair, and weigh them."""

    def action(name: str, python: str) -> Callable:
        words = [str(ROOT / "predict.py")] if name == FACESIM else [*CONTESTANT, name, "compare"]
        return lambda turn: run([python, *words, *photos], folder / "output")

    actions = {name: action(name, python) for name, python in pythons.items()}
    for warm_up in actions.values():
        warm_up(0)
    results = by_turns(f"cold pair, {size}", turns, actions)
    seconds = {name: statistics.median(time for time, _ in runs) for name, runs in results.items()}
    peaks = {name: max(peak for _, peak in runs) for name, runs in results.items()}
    return [Row(f"cold pair, {size}", "s", seconds), Row(f"peak memory: cold pair, {size}", "B", peaks)]


def warm_row(size: str, photos: tuple[str, str], turns: int, servers: dict[str, Server]) -> Row:
    """Time one pair in processes that have compared it before; the photos are opened afresh."""
    actions = {name: lambda turn, server=server: server.ask("compare", *photos) for name, server in servers.items()}
    for warm_up in actions.values():
        warm_up(0)
    results = by_turns(f"warm pair, {size}", turns, actions)
    return Row(f"warm pair, {size}", "s", {name: statistics.median(times) for name, times in results.items()})


def lfw_rows(photos: list[str], peer_photos: int, servers: dict[str, Server]) -> list[Row]:
    """Time the embedding of photos in all cores, by turns a part of them each, and weigh it."""
    shares = {name: photos[:peer_photos] if name in TITLES else photos for name in servers}
    start_all_cores(servers, photos)
    actions = {name: lambda turn, name=name: weighed(servers[name], shares[name][turn::BULK_TURNS]) for name in servers}
    results = by_turns("LFW", BULK_TURNS, actions)
    seconds = {name: sum(time for time, _ in runs) * len(photos) / len(shares[name]) for name, runs in results.items()}
    rows = [Row(f"{len(photos):,} LFW photos embedded", "s", seconds)]
    if all(peak for runs in results.values() for _, peak in runs):
        peaks = {name: max(peak for _, peak in runs) for name, runs in results.items()}
        rows.append(Row("peak memory: LFW, all processes", "B", peaks))
    return rows


def start_all_cores(servers: dict[str, Server], photos: list[str]) -> None:
    for server in servers.values():
        server.ask("embed", photos[: 8 * (os.cpu_count() or 1)])


def pairs_row(photos: list[str], peer_photos: int, servers: dict[str, Server], folder: Path) -> Row:
    """Time `predict --pairs`; for the others, each photo embedded once in all cores, then a distance for each pair."""
    pairs, output = write_pairs(photos, folder / "pairs.csv"), folder / "verdicts"

    def predict(turn: int) -> float:
        command = [sys.executable, str(ROOT / "predict.py"), "--pairs", str(pairs)]
        seconds, _ = run(command, output, statuses=(0, 2))  # 2: some photo shows no face
        if (lines := output.read_bytes().count(b"\n")) < PAIRS:
            raise click.ClickException(f"predict --pairs printed {lines} lines for {PAIRS} pairs.")
        return seconds

    def action(name: str) -> Callable:
        def embed_and_compare(turn: int) -> float:
            share = photos[:peer_photos][turn::BULK_TURNS] if name in TITLES else photos
            embedding = servers[name].ask("embed", share) * len(photos) / len(share)
            return embedding + servers[name].ask("distances", PAIRS)

        return embed_and_compare

    start_all_cores(servers, photos)
    actions = {name: predict if name == FACESIM else action(name) for name in servers}
    results = by_turns("pairs", BULK_TURNS, actions)
    seconds = {name: statistics.median(times) for name, times in results.items()}
    return Row(f"{PAIRS:,} pairs of {len(photos):,} LFW photos", "s", seconds)


def size_row(pythons: dict[str, str], folder: Path) -> Row:
    """Install facesim without any extra in an environment of its own, and add up the files of each contestant."""
    source, bare = folder / "source", folder / "environment"
    no_source = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "runs", "tests", "__pycache__")
    shutil.copytree(ROOT, source, ignore=no_source)  # pip leaves a build in the folder it installs from
    python = str(bare / "bin" / "python")
    for command in ([sys.executable, "-m", "venv", str(bare)], [python, "-m", "pip", "install", "-q", str(source)]):
        echo_and_run(command)

    def size(name: str) -> int:
        command = [pythons[name] if name in TITLES else python, str(HERE / "installed.py"), name]
        alone = environment() | {"PYTHONPATH": str(HERE)}  # of facesim, what was installed
        return int(subprocess.run(command, env=alone, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)

    return Row("installed", "B", {name: size(name) for name in pythons})


def table(rows: list[Row]) -> list[str]:
    """Lay the rows out as a Markdown table."""
    if not rows:
        return []
    names = list(rows[0].figures)
    peers = [name for name in names if name in TITLES]
    heads = [TITLES.get(name, name) for name in names]
    against = [f"against {TITLES[name].split()[0]}" for name in peers] + ["against the floor"]
    lines = [f"| | {' | '.join(heads + against)} |", "|---" * (len(heads + against) + 1) + "|"]
    for row in rows:
        ours = row.figures[FACESIM]
        figures = [amount(figure, row.unit) for figure in row.figures.values()]
        ratios = [times_as_fast(row.figures[name] / ours, row.unit) for name in peers]
        ratios.append(f"{ours / row.figures[FLOOR]:.2f}×")
        lines.append(f"| {row.what} | {' | '.join(figures + ratios)} |")
    return lines


def times_as_fast(ratio: float, unit: str) -> str:
    if unit == "B":
        return f"{1 / ratio:.2f}×"
    if ratio < 1:
        return f"{1 / ratio:.1f}× slower"
    return f"{ratio:.1f}× faster" if ratio < 10 else f"{ratio:.0f}× faster"


def explanations(parts: set[str], turns: int, peer_photos: int) -> list[str]:
    """Say, part by part, what was measured."""
    said = {
        "cold": f"Cold: a Python process afresh, `predict.py A B` and its like; median of {turns}.",
        "warm": f"Warm: in a process that has done it before, the photos opened afresh; median of {turns}.",
        "large": f"12 megapixels: JPEGs of {LARGE_SIZE[0]}×{LARGE_SIZE[1]}, a face of {LARGE_FACE} pixels; median of "
        f"{LARGE_TURNS}. OpenCV gets them at 640 pixels: at full size YuNet finds no face.",
        "lfw": "LFW: `Verifier().embed(photos)`; for a peer as many processes as cores, and the time for all photos "
        f"extrapolated from {peer_photos} of them.",
        "pairs": "Pairs: `predict.py --pairs`, a process afresh; for a peer each photo encoded once, in all cores "
        f"(extrapolated from {peer_photos} of them), then a distance for each pair.",
        "size": "Installed: the files of a tool's distributions and of all they require, without pip and setuptools.",
    }
    cores = f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    floor = "The floor: the libraries called bare, one look of the detector and one pass of the network for each photo."
    opencv = "OpenCV: its YuNet and its SFace, called as its tutorial does."
    return [f"On {cores}. {floor} {opencv}", *(line for part, line in said.items() if part in parts)]
