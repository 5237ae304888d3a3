"""How much does `facesim serve` add to the work itself: to one verdict, to thousands, to memory, to the start?

python benchmarks/serve.py PHOTOS                     a folder of photos of 250×250 pixels: LFW, say
python benchmarks/serve.py PHOTOS --requests 20000
"""

import contextlib
import http.client
import itertools
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from facesim.errors import FaceSimError
from facesim.folder import photos_in
from facesim.verifier import Verifier

CLIENTS = 8
ROUNDS = 5  # of the throughput: the server's and verify_many's take turns
SAMPLES = 10  # of the server's memory
Pair = tuple[bytes, bytes]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("photos", type=click.Path(exists=True, file_okay=False))
@click.option("--turns", type=click.IntRange(20), default=200, show_default=True, help="Of one verdict.")
@click.option("--pairs", type=click.IntRange(CLIENTS), default=200, show_default=True, help="In a round of many.")
@click.option("--requests", type=click.IntRange(SAMPLES), default=3000, show_default=True, help="While memory is read.")
def main(photos, turns, pairs, requests):
    """Print the figures of docs/serve.md, measured on the photos of a folder."""
    files = [Path(path).read_bytes() for path, _ in zip(photos_in(photos), range(2 * pairs), strict=False)]
    both = list(zip(files[::2], files[1::2], strict=False))
    verifier = Verifier()
    with tempfile.TemporaryDirectory() as folder:
        alone, with_gallery = _starts(), _starts("--gallery", f"{folder}/people", "--write")
    print(f"start: {alone} until /health answers; with a gallery {with_gallery}")
    with _server() as (port, pid):
        print(f"one verdict: {_added(port, verifier, both, turns)}")
        print(f"many, {CLIENTS} clients: {_throughput(port, pid, verifier, both)}")
        print(f"memory: {_memory(port, pid, both, requests)}")


@contextlib.contextmanager
def _server(*arguments: str) -> Iterator[tuple[int, int]]:
    """Run a server on a free port; yield the port, and the process's number."""
    command = [sys.executable, "-m", "facesim", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        found = re.search(r":(\d+)/", process.stderr.readline())
        port = int(found[1])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        try:
            yield port, process.pid
        finally:
            process.terminate()


def _starts(*arguments: str) -> str:
    """Return the median of five starts, and their range."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        with _server(*arguments):
            taken.append(time.perf_counter() - start)
    return f"{statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f})"


def _form(pair: Pair) -> tuple[bytes, dict[str, str]]:
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo{number}"; filename="-"\r\n\r\n'.encode() + photo
        for number, photo in enumerate(pair, 1)
    ]
    body = b"\r\n".join(parts) + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def _ask(connection: http.client.HTTPConnection, pair: Pair) -> None:
    connection.request("POST", "/v1/verify", *_form(pair))
    response = connection.getresponse()
    response.read()
    assert response.status in (200, 422), response.status


def _added(port: int, verifier: Verifier, pairs: Sequence[Pair], turns: int) -> str:
    """Return what HTTP adds to a verdict, from turns of both on one pair after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    own, added = [], []
    for turn in range(turns + 5):
        pair = pairs[turn % len(pairs)]
        start = time.perf_counter()
        with contextlib.suppress(FaceSimError):  # a photo without a face
            verifier.verify(*pair)
        between = time.perf_counter()
        _ask(connection, pair)
        if turn >= 5:  # the first ones warm up
            own.append(between - start)
            added.append(time.perf_counter() - between - own[-1])
    connection.close()
    added.sort()
    half = math.ceil(0.98 * math.sqrt(turns))  # the ranks between which the median lies, with 95 % confidence
    low, middle, high = (1000 * added[rank] for rank in (turns // 2 - half, turns // 2, turns // 2 + half))
    return (
        f"{1000 * statistics.median(own):.1f} ms in the process; over HTTP {middle:+.1f} ms ({low:+.1f} to {high:+.1f})"
    )


def _throughput(port: int, pid: int, verifier: Verifier, pairs: Sequence[Pair]) -> str:
    """Return the pairs a second of clients at once, and their share of what `verify_many` does.

    The same by processor time does not depend on what else the machine does.
    """
    rates, shares = [], []
    served = own = 0.0
    for _ in range(ROUNDS):
        start, used = time.perf_counter(), time.process_time() + _processor_time(pid)
        _ask_all(port, pairs)
        between, used_between = time.perf_counter(), time.process_time()
        served += used_between + _processor_time(pid) - used
        for _ in verifier.verify_many(pairs):
            pass
        own += time.process_time() - used_between
        rates.append(len(pairs) / (between - start))
        shares.append((time.perf_counter() - between) / (between - start))
    share = f"{statistics.median(shares):.0%} ({min(shares):.0%} to {max(shares):.0%}) of verify_many"
    return f"{statistics.median(rates):.1f} pairs a second, {share}; by processor time {own / served:.0%}"


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(port: int, pid: int, pairs: Sequence[Pair], requests: int) -> str:
    """Return the server's memory in MB after each tenth of many requests."""
    samples, many = [], itertools.cycle(pairs)
    for _ in range(SAMPLES):
        _ask_all(port, list(itertools.islice(many, requests // SAMPLES)))
        samples.append(_resident_mb(pid))
    return f"{', '.join(f'{sample:.0f}' for sample in samples)} MB after each tenth of {requests:,} requests"


def _ask_all(port: int, pairs: Sequence[Pair]) -> None:
    """Ask for the verdict on all pairs, by several clients at once."""

    def ask(some: Sequence[Pair]) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            for pair in some:
                _ask(connection, pair)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, [pairs[number::CLIENTS] for number in range(CLIENTS)]))


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
