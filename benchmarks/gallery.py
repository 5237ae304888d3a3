"""How fast is a gallery, and how large?

python benchmarks/gallery.py
"""

import contextlib
import functools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

import facesim.gallery.maintenance as maintenance
from facesim.cores import cores
from facesim.data.cache import cached_crops
from facesim.data.source import find_photos
from facesim.detector.box import Box
from facesim.evaluation.scoring import embed_crops
from facesim.gallery.forget import forget as forget_person
from facesim.gallery.rows import FaceRow
from facesim.gallery.snapshot import SNAPSHOT
from facesim.gallery.store import Gallery, open_gallery, open_or_create_gallery
from facesim.model import Model

PARTS = ("start", "search", "embed")
SIZES = (1_000, 10_000, 50_000, 100_000, 1_000_000)
QUERIES = 200
K = 10  # nearest faces, of which the index should find all
SEED = 0
FACESIM = (sys.executable, "-c", "from facesim.cli import main; main()")
TABLE_ALONE = (sys.executable, "-c", "from facesim.gallery import store; store.MAX_ROWS = 0; " + FACESIM[-1])
START_SIZES, START_TURNS = (100, 10_000), 15
PHOTO = Path(__file__).parents[1] / "examples" / "grace_hopper.jpg"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", help=f"The parts to run, of {','.join(PARTS)}, instead of all.")
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Faces in the galleries searched.")
@click.option("--photos", type=click.IntRange(10), default=1000, show_default=True, help="Photos embedded.")
@click.option("--ray", is_flag=True, help="Embed them by Ray, too.")
def main(only, sizes, photos, ray):
    """Print how long a command takes, how long a search, and how many photos are embedded in a second.

    As Markdown tables. A command is a process afresh, with the gallery's snapshot and by its table alone, in turn.
    Searches are in galleries of made-up faces, exact and by the index.

    Made-up faces spread as LFW's do, between people and within (normal distributions with the same covariances), one
    face of each person; a query is another face of a person in the gallery. LFW is looked for where training looks for
    it, and downloaded where it is missing. All takes some ten minutes on two cores.
    """
    parts = set(only.split(",") if only else PARTS)
    if unknown := parts - set(PARTS):
        raise click.UsageError(f"--only knows no {', '.join(sorted(unknown))}: the parts are {', '.join(PARTS)}.")
    model = Model()
    if "start" in parts:
        print_start(model)
    if "search" in parts:
        print_search(model, [int(size) for size in sizes.split(",")])
    if "embed" in parts:
        print_embedding(photos, ray)


def print_start(model: Model) -> None:
    """Print how long a command takes in small galleries, with a snapshot and without one."""
    print("| faces | command | with the snapshot | by the table alone |")
    print("|---|---|---|---|")
    for size in START_SIZES:
        with tempfile.TemporaryDirectory() as folder:
            quick, plain = f"{folder}/quick", f"{folder}/plain"
            faces = np.random.default_rng(SEED).normal(size=(size, model.embedding_size)).astype(np.float32)
            fill(open_or_create_gallery(quick, model), faces / np.linalg.norm(faces, axis=1, keepdims=True))
            shutil.copytree(quick, plain, ignore=shutil.ignore_patterns(SNAPSHOT))
            for verb, *photo in (("list",), ("search", str(PHOTO)), ("identify", str(PHOTO))):
                seconds: dict[tuple[str, ...], list[tuple[float, float]]] = {FACESIM: [], TABLE_ALONE: []}
                for turn in range(START_TURNS + 1):
                    for program, gallery in ((FACESIM, quick), (TABLE_ALONE, plain)):
                        start, worked = time.perf_counter(), processor_seconds()
                        ended = subprocess.run([*program, verb, gallery, *photo], capture_output=True)
                        if turn:  # the first one finds nothing in the system's cache
                            seconds[program].append((time.perf_counter() - start, processor_seconds() - worked))
                        if ended.returncode not in (0, 1):
                            raise click.ClickException(ended.stderr.decode())
                medians = (
                    "{:.2f} s ({:.2f} s)".format(*map(statistics.median, zip(*each, strict=True)))
                    for each in seconds.values()
                )
                print(f"| {size:,} | `{verb}` | {' | '.join(medians)} |", flush=True)
    print(f"\nA process afresh, the two in turn; medians of {START_TURNS}. In brackets: of processors' time.\n")


def processor_seconds() -> float:
    """Return the processors' time that this process's children have taken so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(gallery: Gallery, faces: np.ndarray) -> None:
    """Add faces to a gallery, `(n, d)`, each of another person."""
    with gallery.writing():
        for start in tqdm(range(0, len(faces), 50_000), f"{len(faces):,} faces", leave=False):
            rows = enumerate(faces[start : start + 50_000], start)
            gallery.add([FaceRow(f"/photos/{i}.jpg", 0, f"person {i}", face, Box(0, 0, 99, 99)) for i, face in rows])


def print_search(model: Model, sizes: list[int]) -> None:
    """Print what one search takes, by the number of faces."""
    population = Population.of(*embeddings_of(model, "lfw"))
    columns = "exact", "by index", f"recall of the nearest {K}", "index made", "one person forgotten", "on disk"
    print(f"| faces | {' | '.join(columns)} |")
    print("|---" * 7 + "|")
    for size in sizes:
        people = population.people(size)
        faces, queries = population.faces(people, 1), population.faces(people[:QUERIES], 2)
        with tempfile.TemporaryDirectory() as folder:
            gallery = open_or_create_gallery(f"{folder}/gallery", model)
            fill(gallery, faces)
            np.save(f"{folder}/queries.npy", queries)
            np.save(f"{folder}/true.npy", true_nearest(queries, faces))
            exact, made, indexed = (by_itself(name, folder) for name in ("search", "make_index", "search"))
            disk = maintenance.gallery_stats(gallery).bytes / 1e6
            forgotten = by_itself("forget", folder)
        recall, disk = f"{indexed['recall']:.4f}", f"{disk:,.0f} MB"
        exact, indexed, made, forgotten = map(seconds_and_memory, (exact, indexed, made, forgotten))
        print(f"| {size:,} | {' | '.join((exact, indexed, recall, made, forgotten, disk))} |", flush=True)
    print("\nA search: the median of some, after a first. In brackets: peak memory of a process that does no more.\n")


def seconds_and_memory(told: dict[str, float]) -> str:
    seconds = f"{1e3 * told['seconds']:.1f} ms" if told["seconds"] < 1 else f"{told['seconds']:.1f} s"
    return f"{seconds} ({told['memory']:,.0f} MB)"


@dataclass(frozen=True, slots=True)
class Population:
    """How embeddings spread: around their mean, people around it, and faces around their people."""

    mean: np.ndarray
    between: np.ndarray  # (d, d), whose product with normal numbers gives people
    within: np.ndarray

    @classmethod
    def of(cls, embeddings: np.ndarray, identities: np.ndarray) -> "Population":
        """Measure it on faces, `(n, d)`, of identities, `(n,)`."""
        _, first, people, counts = np.unique(identities, return_index=True, return_inverse=True, return_counts=True)
        several = np.flatnonzero(counts[people] >= 4)
        sums = np.zeros((len(counts), embeddings.shape[1]))
        np.add.at(sums, people, embeddings)
        centred = embeddings[several] - (sums / counts[:, None])[people[several]]
        lost = 1 - (np.unique(people[several]).size / several.size)  # of the variance, to the means being measured
        within = np.cov(centred.T) / lost
        return cls(embeddings[first].mean(0), _root(np.cov(embeddings[first].T) - within), _root(within))

    def people(self, count: int) -> np.ndarray:
        return (np.random.default_rng(SEED).normal(size=(count, len(self.mean))) @ self.between.T).astype(np.float32)

    def faces(self, people: np.ndarray, seed: int) -> np.ndarray:
        """Return a face of each person, of unit length."""
        noise = np.random.default_rng(seed).normal(size=people.shape) @ self.within.T
        faces = self.mean + people + noise
        return (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0))


@functools.cache
def embeddings_of(model: Model, data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a data set's embeddings, `(n, d)`, and their identities, `(n,)`, of photos with a face."""
    dataset = find_photos(data)
    embeddings = embed_crops(model, cached_crops(dataset), np.arange(len(dataset.photos)))
    found = ~np.isnan(embeddings).any(axis=1)
    return embeddings[found], dataset.identities[found]


def true_nearest(queries: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return the `K` faces nearest to each query, `(q, K) int`."""
    nearest = [np.argsort(-(faces @ query), kind="stable")[:K] for query in queries]
    return np.array(nearest)


def by_itself(name: str, folder: str) -> dict[str, float]:
    """Call one of the functions of `ALONE` in a process of its own, whose peak memory is nobody else's."""
    command = [sys.executable, __file__, "--alone", name, folder]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def search(folder: str) -> dict[str, float]:
    """Return the median seconds of a search, and the share of the nearest that it finds."""
    gallery = open_gallery(f"{folder}/gallery")
    queries, true = np.load(f"{folder}/queries.npy"), np.load(f"{folder}/true.npy")
    gallery.nearest(queries[0], K)
    seconds, found = [], 0
    for query, nearest in zip(queries, true, strict=True):
        start = time.perf_counter()
        matches = gallery.nearest(query, K, named=True)
        seconds.append(time.perf_counter() - start)
        found += len({f"/photos/{i}.jpg" for i in nearest} & {match.photo for match in matches})
    return {"seconds": float(np.median(seconds)), "recall": found / true.size}


def make_index(folder: str) -> dict[str, float]:
    """Return the seconds that it takes to make the index, however few the faces are."""
    maintenance.INDEX_FROM = 0
    gallery = open_gallery(f"{folder}/gallery")
    start = time.perf_counter()
    maintenance.vacuum(gallery)
    return {"seconds": time.perf_counter() - start}


def forget(folder: str) -> dict[str, float]:
    """Return the seconds that it takes to forget one person."""
    gallery = open_gallery(f"{folder}/gallery")
    start = time.perf_counter()
    forget_person(gallery, "person 7")
    return {"seconds": time.perf_counter() - start}


ALONE = {function.__name__: function for function in (search, make_index, forget)}


def peak_memory(process: int | str) -> float:
    """Return the most MB that a process has had so far; Linux counts a child's own only here."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def print_embedding(count: int, ray: bool) -> None:
    """Print how many photos of LFW `facesim embed` takes in a second, as a process of its own."""
    photos = [str(path) for path in find_photos("lfw").paths()]
    photos = np.random.default_rng(SEED).permutation(photos)[:count].tolist()
    print("| engine | photos | seconds | photos per second and core | disk per face | peak memory |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            os.symlink(photo, Path(folder) / Path(photo).name)
        for engine in ("local", "ray") if ray else ("local",):
            address = f"{folder}/{engine}"
            command = [*FACESIM, "embed", folder, "--to", address, "--engine", engine, "--json"]
            start = time.perf_counter()
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            memory = 0.0
            while child.poll() is None:
                with contextlib.suppress(OSError, IndexError):  # it has just ended
                    memory = max(memory, peak_memory(child.pid))
                time.sleep(0.1)
            seconds = time.perf_counter() - start
            sums = json.loads(child.stdout.read())
            disk = maintenance.gallery_stats(open_gallery(address)).bytes / sums["faces"]
            print(
                f"| {engine} | {count:,} | {seconds:.1f} | {count / seconds / cores():.1f} | {disk:,.0f} B "
                f"| {memory:,.0f} MB |"
            )
    print(f"\n{cores()} cores; start of the process, and for Ray of the cluster, included.\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        print(json.dumps(ALONE[sys.argv[2]](sys.argv[3]) | {"memory": peak_memory("self")}))
    else:
        main()
