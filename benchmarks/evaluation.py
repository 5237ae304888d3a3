"""How fast are the metrics, and a whole sweep? And what does an evaluation take again?

python benchmarks/evaluation.py
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import click
import numpy as np

from facesim import Model
from facesim.data.lfw import data_home
from facesim.data.pairs import join_pairs
from facesim.data.source import open_source
from facesim.detector.crop import centre_crop
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.protocol import Protocol
from facesim.evaluation.scoring import score
from facesim.evaluation.sweep.report import write_report

PAIRS = 10_000_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", type=click.IntRange(3), default=7, show_default=True, help="Of the metrics; the median counts.")
def main(runs):
    """Time the metrics of ten million distances beside numpy's sort of them, and a sweep beside the network alone.

    The sweep is of LFW's 6,000 pairs, from cached crops: reading the photos to find their crops, embedding 7,701
    faces, every metric, the page and the charts; then again, with these embeddings. Its figures mean nothing where the
    model was trained on LFW, and are not shown.

    Then facesim evaluate, on the people of LFW whom the model has not seen: with an empty cache, with its crops, and
    with its embeddings.
    """
    time_metrics(runs)
    time_sweep()
    time_command()


def time_metrics(runs: int) -> None:
    random = np.random.default_rng(0)
    same = random.random(PAIRS) < 0.5
    distances = np.where(same, random.normal(0.2, 0.05, PAIRS), random.normal(0.4, 0.05, PAIRS))
    sorting, measuring = [], []
    for _ in range(runs):
        sorting.append(timed(lambda: np.sort(distances)))
        measuring.append(timed(lambda: measure(distances, same)))
    least, taken = statistics.median(sorting), statistics.median(measuring)
    click.echo(f"sort of {PAIRS:,} distances     {least:.2f} s")
    click.echo(f"all metrics of them             {taken:.2f} s, {taken / least:.1f} times as long")


def time_sweep() -> None:
    source, model = open_source(("lfw",)), Model()
    protocol = Protocol("LFW View 2, for its time only", source, join_pairs(source.lfw_folds))
    photos = protocol.pairs.photos()
    sample = centre_crop(source.crops(photos).wide[photos[:500]])
    model.embed(sample[:50])
    faces = len(photos)
    least = timed(lambda: model.embed(sample)) / len(sample) * faces
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "embeddings"
        with mock.patch("facesim.data.embedding_store.embeddings_home", return_value=home):
            taken, again = (
                timed(lambda: write_report(score(protocol, model), model, Path(folder), errors=50)) for _ in range(2)
            )
        size = (Path(folder) / "index.html").stat().st_size / 1e6
    click.echo(f"the network on {faces:,} faces      {least:.1f} s")
    click.echo(f"a sweep over {len(protocol.pairs):,} pairs of them  {taken:.1f} s, {taken / least:.2f} times as long")
    click.echo(f"again                           {again:.1f} s")
    click.echo(f"its page                        {size:.1f} MB")


def time_command() -> None:
    with tempfile.TemporaryDirectory() as cache:
        settings = os.environ | {"XDG_CACHE_HOME": cache, "FACESIM_DATA": str(data_home())}
        command = [sys.executable, "-m", "facesim", "evaluate"]
        for found in ("with an empty cache", "with its crops", "with its embeddings"):
            if found == "with its crops":
                shutil.rmtree(Path(cache) / "facesim" / "embeddings")
            before = processor_seconds()
            taken = timed(lambda: subprocess.run(command, env=settings, check=True, capture_output=True))
            click.echo(f"evaluate, {found:21} {taken:.1f} s, {processor_seconds() - before:.1f} s of processor time")


def processor_seconds() -> float:
    """Return how long the processes that this one has started have kept a core busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(distances: np.ndarray, same: np.ndarray) -> None:
    pairs = SortedDistances.of(distances, same)
    pairs.auc(), pairs.eer(), pairs.best_f1_threshold(), pairs.best_accuracy_threshold()
    pairs.tar(0.01), pairs.tar(0.001), pairs.rates(0.3)


def timed(work: Callable) -> float:
    """Return how many seconds it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
