"""Embed whole collections on a Ray cluster: its workers embed and write, this process commits what they have written.

A worker writes each block of photos as a fragment of the gallery's table, which is invisible until committed. So a
block that is embedded again because its worker died is in the gallery once, and one never committed is not in it.
"""

import contextlib
import dataclasses
import json
import os
import socket
import tempfile
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa

from facesim.detector.selection import EmbeddedPhoto
from facesim.errors import FaceSimError
from facesim.gallery.embed import EmbedCounts, ListedPhoto, count_outcomes, face_rows, timed_batches
from facesim.gallery.maintenance import merge_fragments, vacuum
from facesim.gallery.rows import rows_table
from facesim.gallery.store import Gallery, open_gallery
from facesim.gallery.tables import translate_errors, uri
from facesim.gallery.version import version_of
from facesim.install import install_command
from facesim.model import Model
from facesim.text import printable
from facesim.verifier import Verifier

try:
    import lance
    import ray
    import ray.data
    from lance.fragment import FragmentMetadata, write_fragments

    from facesim.gallery.ray_cluster import in_one_line, ray_cluster
except ModuleNotFoundError as error:
    raise FaceSimError(f"--engine ray needs ray: {install_command('ray')}.") from error

ROUND = 1_000_000  # photos that Ray is given at once: all their paths are in memory
MAX_BLOCK = 1000  # photos that a worker embeds and writes together: half a minute's work
BLOCKS_PER_WORKER = 4  # at least: all others wait for the last one
SECONDS_PER_COMMIT = 30.0  # what is lost where this process is killed, besides the blocks being embedded

_BLOCK = pa.schema(
    {
        "photo": pa.binary(),  # bytes, as file names may be no text
        "existed": pa.bool_(),  # when it was listed
        "changed": pa.bool_(),  # as in `ListedPhoto`
    }
)
_OUTCOME = pa.schema(
    {
        "fragments": pa.list_(pa.string()),  # of the table, as JSON
        "counts": pa.list_(pa.int64()),  # as in `EmbedCounts`
        "replaced": pa.list_(pa.binary()),  # photos whose earlier rows are to be removed
        "missing": pa.list_(pa.binary()),  # photos that existed when they were listed, but not for the worker
        "machine": pa.string(),
        "error": pa.string(),  # why the worker failed; all else but the machine is null then
    }
)


def embed_by_ray(
    gallery: Gallery, verifier: Verifier, photos: Iterable[ListedPhoto], selection: str = "all"
) -> Iterator[EmbedCounts]:
    """Do what `embed_locally` does, in all cores of the Ray cluster that RAY_ADDRESS names; yield after each commit.

    Without an address, Ray is started on this machine. The workers need facesim with the extra ray, and must find
    photos and gallery under the same paths as this process, which sends them the model. They embed on the CPU.

    Raises FaceSimError where there is no such cluster, or where a worker does not find photos or gallery.
    """
    with gallery.writing(), ray_cluster():
        model = verifier.model
        job = _Job(uri(gallery.address), selection, str(model.path), ray.put(model.path.read_bytes()))
        with translate_errors(gallery.address):
            table = lance.dataset(gallery.table_uri)
        for blocks in _rounds(photos):
            with contextlib.closing(_outcomes(blocks, job)) as outcomes:
                for batch in timed_batches(outcomes, SECONDS_PER_COMMIT):
                    replaced = [os.fsdecode(photo) for outcome in batch for photo in outcome["replaced"]]
                    gallery.replace([(photo, None) for photo in replaced], [])
                    with translate_errors(gallery.address):
                        table = _commit(table, batch)
                    yield sum((EmbedCounts(*outcome["counts"]) for outcome in batch), EmbedCounts())
                    merge_fragments(gallery)
    vacuum(gallery)


class _Job(NamedTuple):
    """What a worker needs to know."""

    gallery: str
    selection: str
    model: str  # the path of its file on this machine
    network: ray.ObjectRef  # the file's bytes


class _Worker:
    """Embeds blocks of photos in one core, and writes their rows as fragments of the gallery's table."""

    def __init__(self, job: _Job):
        self._job = job
        self._opened: tuple[Gallery, Verifier] | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        outcome = {"machine": socket.gethostname()}
        try:
            outcome |= self._embed(block.to_pylist())
        except Exception as error:  # if raised, it would reach the user with pages of Ray's own frames
            outcome["error"] = in_one_line(error)
        return pa.Table.from_pylist([outcome], _OUTCOME)

    def _embed(self, block: list[dict[str, Any]]) -> dict[str, Any]:
        if self._opened is None:
            self._opened = _open(self._job)
        gallery, verifier = self._opened
        paths = [os.fsdecode(listed["photo"]) for listed in block]
        photos = [ListedPhoto(path, version_of(path)) for path in paths]
        outcomes = [_embed_one(verifier, path, self._job.selection) for path in paths]
        rows = [face_rows(*pair) for pair in zip(photos, outcomes, strict=True)]
        fragments: list[FragmentMetadata] = []
        if any(rows):
            fragments = write_fragments(
                rows_table([row for of_photo in rows for row in of_photo], gallery.schema),
                gallery.table_uri,
                schema=gallery.schema,
                mode="append",
                data_storage_version=lance.dataset(gallery.table_uri).data_storage_version,
            )
        readable = [(listed, bool(of_photo)) for listed, of_photo in zip(block, rows, strict=True)]
        return {
            "fragments": [json.dumps(fragment.to_json()) for fragment in fragments],
            "counts": dataclasses.astuple(count_outcomes(outcomes)),
            "replaced": [listed["photo"] for listed, read in readable if read and listed["changed"]],
            "missing": [
                listed["photo"]
                for listed, read in readable
                if not read and listed["existed"] and not os.path.exists(listed["photo"])
            ],
        }


def _open(job: _Job) -> tuple[Gallery, Verifier]:
    """Open the gallery and the model; raises FaceSimError where there is no gallery, or another model made it."""
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        file.write(ray.get(job.network))
        file.flush()
        model = Model(file.name)
        gallery = open_gallery(job.gallery, model)
    model.path = Path(job.model)  # the path that the user knows, for messages
    return gallery, Verifier(model)


def _embed_one(verifier: Verifier, path: str, selection: str) -> EmbeddedPhoto | FaceSimError:
    try:
        return verifier.embed_faces(path, selection)
    except FaceSimError as error:
        return error


def _workers() -> int:
    """Return how many workers the cluster has room for."""
    return max(1, int(ray.cluster_resources().get("CPU", 0)))


def _rounds(photos: Iterable[ListedPhoto]) -> Iterator[list[pa.Table]]:
    """Yield photos by rounds, each in blocks."""
    rows = (
        {"photo": os.fsencode(path), "existed": version.size is not None, "changed": changed}
        for path, version, _, changed in photos
    )
    pieces = (pa.Table.from_pylist(piece, _BLOCK) for piece in iter(lambda: list(islice(rows, MAX_BLOCK)), []))
    while taken := list(islice(pieces, max(1, ROUND // MAX_BLOCK))):
        table = pa.concat_tables(taken)
        size = min(MAX_BLOCK, 1 + len(table) // (_workers() * BLOCKS_PER_WORKER))
        yield [table.slice(start, size).combine_chunks() for start in range(0, len(table), size)]


def _outcomes(blocks: list[pa.Table], job: _Job) -> Generator[dict[str, Any], None, None]:
    """Let the workers embed blocks; yield the outcome of each as soon as it is done, in any order.

    Ray Data replaces a worker that has died, and repeats its blocks, however often that happens.
    """
    workers = _workers()
    try:
        embedded = ray.data.from_arrow(blocks).map_batches(
            _Worker,
            fn_constructor_args=(job,),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=1,
            # All are requested at once, but work begins with the first: others may be using the cluster, too.
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=workers, max_size=workers),
        )
        batches = iter(embedded.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
        # Closing them ends the work, of which nothing may be left when Ray is shut down.
        with contextlib.closing(cast(Generator[pa.Table, None, None], batches)) as tables:
            for outcome in (outcome for table in tables for outcome in table.to_pylist()):
                _check(outcome)
                yield outcome
    except FaceSimError:
        raise
    except Exception as error:  # Ray's many errors have no base class of their own
        raise FaceSimError(f"Ray has failed ({in_one_line(error)}).") from error


def _check(outcome: dict[str, Any]) -> None:
    """Raise FaceSimError where a worker failed, or does not see the photos that this machine sees."""
    worker = f"the Ray worker on {outcome['machine']}"
    if outcome["error"]:
        raise FaceSimError(f"{worker} cannot work ({outcome['error'].rstrip('.')}).")
    for path in map(os.fsdecode, outcome["missing"]):
        if os.path.exists(path):  # else it has been deleted meanwhile
            raise FaceSimError(
                f"{worker} does not find {printable(path)}, which is here: all machines must have it by the same path."
            )


def _commit(table: lance.LanceDataset, outcomes: list[dict[str, Any]]) -> lance.LanceDataset:
    """Add what the workers have written to the table, all of it or nothing; return the table as it is then.

    Raises an error where it was made anew, perhaps by another model, since it was read.
    """
    fragments = [FragmentMetadata.from_json(fragment) for outcome in outcomes for fragment in outcome["fragments"]]
    if not fragments:
        return table
    return lance.LanceDataset.commit(table, lance.LanceOperation.Append(fragments), read_version=table.version)
