"""Clients that send too much, too slowly, nonsense, or all at once: each gets an answer, and memory stays bounded."""

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from serving import Client, form, running

from facesim.serve import forms, limits, server

MAX_MB = 1500  # of a server that 200 clients send photos to at once; it starts with some 150


@pytest.fixture
def raw(client):
    """A connection to send anything by; `raw.answer()` reads the status of what comes back, or "" at its end."""

    class Raw:
        def __init__(self, connection):
            self.send, self._connection = connection.sendall, connection

        def answer(self) -> str:
            with contextlib.suppress(ConnectionResetError):
                return self._connection.makefile("rb").readline().decode()[9:12]
            return ""

    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
        yield Raw(connection)


def head(content_type="multipart/form-data; boundary=b", **headers) -> bytes:
    lines = ["POST /v1/faces HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_a_body_that_is_too_large_is_refused_before_it_is_read(raw):
    raw.send(head(Content_Length=limits.MAX_BODY + 1))
    assert raw.answer() == "413"


def test_a_body_of_unknown_length_is_refused_where_it_grows_too_large(raw, monkeypatch):
    monkeypatch.setattr(forms, "MAX_BODY", 100_000)
    raw.send(head(Transfer_Encoding="chunked"))
    start = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'
    for chunk in (start, *[bytes(10_000)] * 11):
        raw.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
    assert raw.answer() == "413"


def test_a_photo_that_is_too_large_is_refused(client, monkeypatch):
    monkeypatch.setattr(forms, "MAX_PHOTO", 1000)
    answer = client.post("/v1/faces", ("photo", bytes(1001)))
    assert (answer.status, answer.json["photo"]) == (413, "photo")


def test_headers_that_never_end_are_cut_off(raw, client, monkeypatch):
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as silent:
        silent.sendall(b"GET / HT")
        start = time.monotonic()
        with contextlib.suppress(OSError):  # it was closed
            for _ in range(100):
                silent.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - start < 3


def test_a_body_that_comes_slowly_is_answered_and_gives_its_place_back(raw, client, monkeypatch):
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.3)
    raw.send(head(Content_Length=1000) + b"--b")
    assert raw.answer() == "408"
    assert client.get("/health").status == 200


def test_a_client_that_does_not_read_is_cut_off(client, monkeypatch):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as deaf:
        deaf.sendall(head(Content_Length=1000))
        time.sleep(0.6)
        with contextlib.suppress(ConnectionResetError):
            assert deaf.recv(100) == b""


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("text/plain", b"", 415),
        ("", b"", 415),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=", b"", 400),
        ("multipart/form-data; boundary=b", b"", 400),
        ("multipart/form-data; boundary=b", b"no boundary", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n--b--", 400),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x" * 20_000, 400),
        ("multipart/form-data; boundary=b", b"--b\r\nA: b\r\n" * 2000, 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\nx\r\n', 400),
        ("multipart/form-data; charset=zlib; boundary=b", b"--b--", 400),
        ("multipart/form-data; boundary=" + "b" * 5000, b"--b--", 400),
    ],
)
def test_nonsense_is_refused(raw, content_type, body, status):
    raw.send(head(content_type, Content_Length=len(body)) + body)
    assert raw.answer() == str(status)


def test_too_many_parts_and_too_long_fields_are_refused(client):
    assert client.post("/v1/faces", *[("photo", b"x")] * 30).status == 400
    assert client.post("/v1/faces", ("photo", b"x"), **{f"field{i}": "" for i in range(30)}).status == 400
    assert client.post("/v1/faces", ("photo", b"x"), faces="x" * 10_000).status == 400
    assert client.post("/v1/verify", ("photo1", b"x")).status == 400
    assert client.post("/v1/faces", ("photo", b"x"), ("photo", b"y")).status == 400


@pytest.mark.parametrize(
    "sent", [b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"]
)
def test_what_is_not_http_is_refused(raw, sent):
    raw.send(sent + b"\r\n\r\n")
    assert raw.answer() in ("400", "403")


def test_a_request_that_is_cut_short_harms_nobody(client):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.port)) as gone:
            gone.sendall(head(Content_Length=10_000) + b"--b\r\n")
    assert client.get("/health").status == 200


def test_an_upload_touches_no_disk(client, monkeypatch, hopper):
    written = []
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", written.append)
    photo = hopper.read_bytes() + bytes(2**20)  # more than Starlette keeps in memory
    assert client.post("/v1/embed", ("photo", photo), faces="largest").status == 200
    assert written == []


def test_where_no_place_is_free_a_client_is_told_when_to_come_again(verifier, hopper, monkeypatch):
    monkeypatch.setattr("facesim.serve.work.MAX_WAITING", 1)
    with running(verifier) as client, socket.create_connection(("127.0.0.1", client.port)) as slow:
        slow.sendall(head(Content_Length=1000))
        time.sleep(0.2)
        answer = client.post("/v1/faces", ("photo", hopper.read_bytes()))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert client.get("/health").status == 200


def bomb() -> bytes:
    """A PNG of some 90 kB that decodes to 89 million pixels."""
    file = io.BytesIO()
    Image.new("L", (9430, 9430)).save(file, "png")
    return file.getvalue()


@contextlib.contextmanager
def process(*arguments: str):
    """A client of a server in a process of its own, and the process."""
    command = [sys.executable, "-m", "facesim", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield Client(int(re.search(r":(\d+)/", started.stderr.readline())[1])), started
        finally:
            started.kill()


def peak_mb(pid: int) -> float:
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the peak of memory is read from /proc")
def test_two_hundred_clients_at_once_each_get_an_answer_and_memory_is_bounded(hopper):
    small, dark = io.BytesIO(), bomb()
    with Image.open(hopper) as picture:
        picture.resize((250, 293)).save(small, "jpeg")
    photo = small.getvalue()
    with process() as (client, started), ThreadPoolExecutor(200) as pool:
        kinds = [
            lambda: client.post("/v1/verify", ("photo1", photo), ("photo2", photo)),
            lambda: client.post("/v1/embed", ("photo", photo), faces="largest"),
            lambda: client.post("/v1/faces", ("photo", b"none")),
            lambda: client.get("/v1/model"),
        ]
        asked = [pool.submit(client.post, "/v1/faces", ("photo", dark))]
        asked += [pool.submit(kinds[i % len(kinds)]) for i in range(199)]
        answers = [future.result() for future in asked]
        statuses = [answer.status for answer in answers]
        assert set(statuses) <= {200, 422, 503}
        assert {200, 503} <= set(statuses)
        assert all(answer.headers["Retry-After"] for answer in answers if answer.status == 503)
        assert client.post("/v1/verify", ("photo1", photo), ("photo2", photo)).json["same"]
        assert peak_mb(started.pid) < MAX_MB


def test_a_server_that_is_stopped_answers_what_runs_and_loses_no_enrolment(model, hopper, tmp_path):
    gallery = pytest.importorskip("facesim.gallery.store", reason="the extra gallery is not installed")
    body, content_type = form([("photo", hopper.read_bytes())], {"name": "Grace"})
    address = str(tmp_path / "people")
    with process("--gallery", address, "--write") as (client, started):
        with socket.create_connection(("127.0.0.1", client.port), timeout=20) as connection:
            request = head(content_type, Content_Length=len(body)).replace(b"/v1/faces", b"/v1/people")
            connection.sendall(request + body[:-100])
            time.sleep(0.2)
            started.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            with pytest.raises(OSError, match="refused"):
                client.get("/health")
            connection.sendall(body[-100:])
            assert connection.makefile("rb").readline().split()[1] == b"200"
        assert started.wait(60) == 0
    assert gallery.open_gallery(address, model).names() == {"Grace": 1}
