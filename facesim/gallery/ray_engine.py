"""Embed whole collections on a Ray cluster: its workers embed and write, this process commits what they have written.

A worker writes each block of photos as a piece of the gallery's table, which nobody sees until it is committed. So a
block that is begun again, because its worker died, is in the gallery once; and one that nobody commits, not at all.
"""

import contextlib
import dataclasses
import json
import logging
import os
import re
import secrets
import socket
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from facesim.cores import cores
from facesim.detector.selection import EmbeddedPhoto
from facesim.environment import environment
from facesim.errors import FaceSimError, NoFaceError
from facesim.gallery.collect import Photo, Tally, face_rows, tally
from facesim.gallery.known import version_of
from facesim.gallery.rows import rows_table
from facesim.gallery.store import Gallery, open_gallery
from facesim.gallery.tables import place, sentences
from facesim.install import install_command
from facesim.model import Model
from facesim.text import printable
from facesim.verifier import Verifier

try:
    import lance
    import ray
    import ray.data
    from lance.fragment import FragmentMetadata, write_fragments
except ModuleNotFoundError as error:
    raise FaceSimError(f"--engine ray needs ray: {install_command('ray')}.") from error

ROUND = 1_000_000  # photos that Ray is given at once: it would keep all of a collection's paths in memory
BLOCK = 1000  # photos, at most, that a worker embeds and writes in one go: half a minute's work
BLOCKS_EACH = 4  # for every worker, at least: the last of them should not have all others wait for long
COMMITTED_EVERY = 30.0  # seconds: what is lost where this process is killed, besides the blocks being embedded
_TOKEN = secrets.token_hex(32)  # by which the processes of our own cluster know each other; else Ray keeps one for ever
_REACHABLE = 5.0  # seconds in which a cluster must answer; Ray itself tries for minutes

_BLOCK = pa.schema(
    {
        "block": pa.int64(),
        "photo": pa.binary(),  # as the file system has it, which may be no text
        "there": pa.bool_(),  # when it was listed
        "name": pa.string(),
    }
)
_OUTCOME = pa.schema(
    {
        "block": pa.int64(),
        "pieces": pa.list_(pa.string()),  # of the table, as JSON
        "counts": pa.list_(pa.int64()),  # a Tally
        "unreadable": pa.list_(pa.binary()),  # photos, of which the gallery keeps what it has
        "missing": pa.list_(pa.binary()),  # those of them that were there when they were listed
        "machine": pa.string(),
        "error": pa.string(),  # why there is nothing of all that
    }
)


def embed_by_ray(
    gallery: Gallery, verifier: Verifier, photos: Iterable[Photo], selection: str = "all"
) -> Iterator[Tally]:
    """Do what `embed_locally` does, in all cores of the Ray cluster that RAY_ADDRESS names; yield after each commit.

    Without one, Ray is started on this machine. The workers need facesim with the extra ray, and must find photos
    and gallery by the same paths as this process; the model they get from it. They embed on the CPU.

    Raises FaceSimError where there is no such cluster, or where a worker does not find photos or gallery.
    """
    with gallery.writing(), _cluster():
        model = verifier.model
        job = _Job(place(gallery.address), selection, str(model.path), ray.put(model.path.read_bytes()))
        with sentences(gallery.address):
            table = lance.dataset(gallery.uri)
        for blocks in _rounds(photos):
            with contextlib.closing(_outcomes(blocks, job)) as outcomes:
                for batch in _in_batches(outcomes):
                    unreadable = {path for outcome in batch for path in outcome["unreadable"]}
                    photos = (photo for outcome in batch for photo in blocks[outcome["block"]] if photo.changed)
                    readable = (photo for photo in photos if os.fsencode(photo.path) not in unreadable)
                    gallery.replace(((photo.path, photo.name) for photo in readable), [])
                    with sentences(gallery.address):
                        table = _commit(table, batch)
                    yield sum((Tally(*outcome["counts"]) for outcome in batch), Tally())
    gallery.tidy()


class _Job(NamedTuple):
    """What a worker needs to know."""

    gallery: str
    selection: str
    model: str  # its file's path, where this process is
    network: ray.ObjectRef  # the file's bytes


class _Worker:
    """Embeds blocks of photos in one core, and writes their rows as pieces of the gallery's table."""

    def __init__(self, job: _Job):
        self._job = job
        self._opened: tuple[Gallery, Verifier] | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        outcome = {"block": block["block"][0].as_py(), "machine": socket.gethostname()}
        rows = [row | {"photo": os.fsdecode(row["photo"])} for row in block.to_pylist()]
        photos = [Photo(row["photo"], version_of(row["photo"]), row["name"]) for row in rows]
        try:
            outcome |= self._embed(photos, {row["photo"] for row in rows if row["there"]})
        except Exception as error:  # raised, it would reach the user as pages of Ray's own frames
            outcome["error"] = _in_one_line(error)
        return pa.Table.from_pylist([outcome], _OUTCOME)

    def _embed(self, photos: list[Photo], there: set[str]) -> dict[str, Any]:
        if self._opened is None:
            self._opened = _open(self._job)
        gallery, verifier = self._opened
        embedded = [_embed_one(verifier, photo, self._job.selection) for photo in photos]
        pairs = list(zip(photos, embedded, strict=True))
        pieces, rows = [], [row for pair in pairs for row in face_rows(*pair)]
        if rows:
            pieces = write_fragments(
                rows_table(rows, gallery.schema),
                gallery.uri,
                schema=gallery.schema,
                mode="append",
                data_storage_version=lance.dataset(gallery.uri).data_storage_version,
            )
        unreadable = [
            photo.path
            for photo, outcome in pairs
            if isinstance(outcome, FaceSimError) and not isinstance(outcome, NoFaceError)
        ]
        missing = [path for path in unreadable if path in there and not os.path.exists(path)]
        return {
            "pieces": [json.dumps(piece.to_json()) for piece in pieces],
            "counts": dataclasses.astuple(tally(embedded)),
            "unreadable": [os.fsencode(path) for path in unreadable],
            "missing": [os.fsencode(path) for path in missing],
        }


def _open(job: _Job) -> tuple[Gallery, Verifier]:
    """Open gallery and model; raises FaceSimError where the gallery is not there, or was made by another model."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(ray.get(job.network))
        file.flush()
        model = Model(file.name)
        gallery = open_gallery(job.gallery, model)
    model.path = Path(job.model)  # what is said of it, is said to somebody who has it there
    return gallery, Verifier(model)


def _embed_one(verifier: Verifier, photo: Photo, selection: str) -> EmbeddedPhoto | FaceSimError:
    try:
        return verifier.embed_faces(photo.path, selection)
    except FaceSimError as error:
        return error


def _workers() -> int:
    """Return for how many workers the cluster has room."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _rounds(photos: Iterable[Photo]) -> Iterator[list[list[Photo]]]:
    """Take photos as they come, and yield a round of them at a time, in blocks."""
    photos = iter(photos)
    while taken := list(islice(photos, ROUND)):
        size = min(BLOCK, 1 + len(taken) // (_workers() * BLOCKS_EACH))
        yield [taken[start : start + size] for start in range(0, len(taken), size)]


def _outcomes(blocks: list[list[Photo]], job: _Job) -> Iterator[dict[str, Any]]:
    """Have the workers embed blocks; yield what became of each as soon as it is done, in any order.

    Ray Data starts a worker anew that has died, and has its blocks done again, however often that happens.
    """
    workers = _workers()
    tables = [_block_table(number, block) for number, block in enumerate(blocks)]
    with _sentence("Ray has failed"):
        embedded = ray.data.from_arrow(tables).map_batches(
            _Worker,
            fn_constructor_args=(job,),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            # All are asked for at once, but work begins with the first: others may be using the cluster, too.
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=workers, max_size=workers),
        )
        batches = iter(embedded.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
        with contextlib.closing(batches):  # that ends the work, of which nothing may be left when Ray is shut down
            for outcome in (outcome for batch in batches for outcome in batch.to_pylist()):
                _check(outcome)
                yield outcome


def _block_table(number: int, photos: list[Photo]) -> pa.Table:
    columns = {
        "block": [number] * len(photos),
        "photo": [os.fsencode(photo.path) for photo in photos],
        "there": [photo.version.size is not None for photo in photos],
        "name": [photo.name for photo in photos],
    }
    return pa.table(columns, _BLOCK)


def _check(outcome: dict[str, Any]) -> None:
    """Raise FaceSimError where a worker could not work, or does not see the photos that are here."""
    who = f"the Ray worker on {outcome['machine']}"
    if outcome["error"]:
        raise FaceSimError(f"{who} cannot work ({outcome['error'].rstrip('.')}).")
    for path in map(os.fsdecode, outcome["missing"]):
        if os.path.exists(path):  # else it has gone meanwhile, as photos do
            raise FaceSimError(
                f"{who} does not find {printable(path)}, which is here: let all machines have the photos by the same "
                "paths."
            )


def _in_batches(outcomes: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Gather what is to be committed together."""
    batch, due = [], time.monotonic() + COMMITTED_EVERY
    for outcome in outcomes:
        batch.append(outcome)
        if time.monotonic() >= due:
            yield batch
            batch, due = [], time.monotonic() + COMMITTED_EVERY
    if batch:
        yield batch


def _commit(table: lance.LanceDataset, outcomes: list[dict[str, Any]]) -> lance.LanceDataset:
    """Make what the workers have written part of the table, all of it or nothing; return the table as it is then.

    Raises an error where it was made anew, perhaps by another model, since it was read.
    """
    pieces = [FragmentMetadata.from_json(piece) for outcome in outcomes for piece in outcome["pieces"]]
    if not pieces:
        return table
    return lance.LanceDataset.commit(table, lance.LanceOperation.Append(pieces), read_version=table.version)


@contextlib.contextmanager
def _cluster() -> Iterator[None]:
    """Be part of the cluster that RAY_ADDRESS names, or that the caller has joined already, or of one of our own."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise FaceSimError(f"Ray Data does not work from afar, by {address}: run facesim on a machine of that cluster.")
    with contextlib.ExitStack() as stack:
        try:
            if place := re.fullmatch(r"(.+):(\d+)", address):
                socket.create_connection(place.groups(), _REACHABLE).close()
            own = stack.enter_context(_own_cluster()) if address == "local" else {}
            with _quiet():
                ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except Exception as error:
            reason = _in_one_line(error.__cause__ or error)
            raise FaceSimError(f"Ray cannot be reached at {address} ({reason}).") from error
        try:
            ray._private.worker._worker_logs_enabled = False  # else it tells of each worker's death on stdout
            yield
        finally:
            ray.shutdown()
            ray._private.worker._worker_logs_enabled = True


@contextlib.contextmanager
def _own_cluster() -> Iterator[dict[str, Any]]:
    """Give the settings of a cluster that speaks to this machine alone, and whose logs go with it.

    Without its dashboard: that asks the network which cloud it runs in, even where it is to send nothing.
    """
    services, constants = ray._private.services, ray._private.ray_constants
    short = "/tmp" if sys.platform == "darwin" else None  # a socket's path must be
    with (
        _replaced(services, "start_api_server", lambda *_, **__: (None, None)),
        _replaced(constants, "ENABLE_RAY_CLUSTER", False),  # else it takes the address that others see; so do, without
        environment(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_AUTH_TOKEN=_TOKEN),  # this, the processes that it starts
        tempfile.TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True) as folder,
    ):
        yield {"num_cpus": cores(), "_temp_dir": folder}


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the terminal what Ray says as it starts, and have it say nothing later: what matters is raised."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False
    stderr = os.dup(2)
    with warnings.catch_warnings(action="ignore"), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # its parts in C++ write there
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def _sentence(beginning: str) -> Iterator[None]:
    """Turn into a FaceSimError what Ray raises, a class of its own for every kind of trouble."""
    try:
        yield
    except FaceSimError:
        raise
    except Exception as error:
        raise FaceSimError(f"{beginning} ({_in_one_line(error)}).") from error


def _in_one_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return textwrap.shorten(text.splitlines()[-1], 500, placeholder=" …")  # it stands after Ray's tracebacks
