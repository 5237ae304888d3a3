"""Who may use a server: this machine's own pages and programs, or who has the token; and what browsers are told."""

import urllib.parse

import pytest
from click.testing import CliRunner
from serving import running

from facesim.cli.serve import serve as serve_verb
from facesim.errors import FaceSimError
from facesim.serve.server import serve
from facesim.serve.token import token_in

TOKEN = "a token of some length"


@pytest.fixture(scope="module")
def guarded(verifier):
    """A client of a server that needs a token."""
    with running(verifier, token=TOKEN) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "localhost.evil.example"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
def test_other_sites_pages_are_refused(client, headers):
    answer = client.get("/v1/model", **headers)
    assert answer.status == 403
    assert answer.headers.get_content_type() == "application/problem+json"


def test_its_own_page_and_a_link_to_it_work(client):
    for name in (f"localhost:{client.port}", f"127.0.0.1:{client.port}", f"[::1]:{client.port}"):
        own = {"Host": name, "Origin": f"http://{name}", "Sec_Fetch_Site": "same-origin"}
        assert client.get("/v1/model", **own).status == 200
    assert client.get("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert client.send("POST", "/v1/verify", b"", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 403


def test_every_answer_tells_browsers_to_be_careful(client, guarded):
    for answer in (
        client.get("/"),
        client.get("/nothing"),
        client.get("/health", Host="evil"),
        guarded.get("/v1/model"),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"]
        assert answer.headers["Access-Control-Allow-Origin"] is None
        assert answer.headers["Server"] is None


@pytest.mark.parametrize("path", ["/v1/model", "/health", "/openapi.json", "/docs", "/static/docs.html", "/nothing"])
def test_everything_needs_the_token(guarded, path):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Cookie": f"facesim={TOKEN}"}):
        answer = guarded.get(path, **headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert guarded.get(path, Authorization=f"Bearer {TOKEN}").status == (
        404 if path in ("/nothing", "/static/docs.html") else 200
    )


def test_a_browser_gets_a_cookie_for_the_token(guarded):
    asked = guarded.get("/")
    assert (asked.status, asked.headers["Location"]) == (303, "/login")
    assert b"<form" in guarded.get("/login").body
    assert guarded.get("/static/style.css").status == 200
    wrong = guarded.send("POST", "/login", b"token=wrong")
    assert (wrong.status, wrong.headers["Set-Cookie"]) == (303, None)
    right = guarded.send("POST", "/login", urllib.parse.urlencode({"token": TOKEN}).encode())
    assert right.headers["Location"] == "/"
    assert {"httponly", "samesite=strict"} <= set(right.headers["Set-Cookie"].lower().split("; "))
    assert TOKEN not in right.headers["Set-Cookie"]
    assert guarded.get("/", Cookie=right.headers["Set-Cookie"].partition(";")[0]).status == 200
    assert guarded.send("POST", "/login", b"x" * 10_000).status == 303


def test_other_machines_need_a_long_token(verifier):
    with pytest.raises(FaceSimError, match="token"):
        serve(verifier, host="0.0.0.0")
    with pytest.raises(FaceSimError, match="16 characters"):
        serve(verifier, token="short")


def test_a_token_file_is_for_its_owner_alone(tmp_path, refuses):
    file = tmp_path / "token"
    with refuses(file):
        token_in(file)
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o644)
    with refuses(file):
        token_in(file)
    file.chmod(0o600)
    assert token_in(file) == TOKEN


def test_a_port_in_use_and_options_that_miss_another_are_named(verifier, client):
    with pytest.raises(FaceSimError, match=f"127.0.0.1:{client.port}"):
        serve(verifier, port=client.port)
    said = CliRunner().invoke(serve_verb, ["--write"])
    assert said.exit_code == 2
    assert "--gallery" in said.output


def test_the_log_names_nobody(verifier, hopper):
    logged: list[str] = []
    with running(verifier, token=TOKEN, log=logged.append) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        client.post("/v1/faces", ("photo", hopper.read_bytes()))
        client.get("/v1/people/Grace%20Hopper/picture")
    assert [line.split()[:3] for line in logged] == [["POST", "find_faces", "200"], ["GET", "_no_gallery", "404"]]
    assert not any(word in line for line in logged for word in ("Grace", TOKEN, ".jpg"))
