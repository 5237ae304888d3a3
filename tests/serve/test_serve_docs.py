"""What docs/serve.md shows works, on a real server."""

import json
import re
import shutil
import subprocess

import pytest
from serving import running

pytest.importorskip("lancedb", reason="the extra gallery is not installed")

from facesim.gallery.store import open_or_create_gallery
from facesim.serve import limits
from facesim.serve.token import MIN_TOKEN


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "serve.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server(verifier, model, tmp_path_factory, hopper, collins):
    """A client of a server with a gallery, and a folder of photos a, b and c."""
    folder = tmp_path_factory.mktemp("docs")
    for name, photo in (("a", hopper), ("b", collins), ("c", collins)):
        shutil.copy(photo, folder / f"{name}.jpg")
    with (folder / "c.jpg").open("ab") as file:
        file.write(b"\0")  # another file, of the same person
    with running(verifier, gallery=open_or_create_gallery(str(folder / "people"), model), can_write=True) as client:
        yield client, folder


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_the_commands_of_curl(page, server):
    client, folder = server
    commands = re.findall(r"^    (curl .*)$", page, re.MULTILINE)
    assert len(commands) == 12
    answers = []
    for command in commands:
        here = command.replace("127.0.0.1:8765", f"127.0.0.1:{client.port}").replace("curl ", "curl -sS --fail ", 1)
        ran = subprocess.run(here, shell=True, cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, (command, ran.stderr)
        answers.append(json.loads(ran.stdout))
    assert answers[0]["same"] is False
    assert answers[-2:] == [{"name": "Ana Lima", "faces": 1}, {"faces": 1, "photos": 1}]


def test_the_python_client(page, server, monkeypatch, capsys):
    client, folder = server
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(folder)
    exec(code.replace("127.0.0.1:8765", f"127.0.0.1:{client.port}"), {})
    assert capsys.readouterr().out.startswith("False 0.")


def test_the_limits(page):
    text = " ".join(page.split())
    assert f"A photo may have {limits.MAX_PHOTO // 10**6} MB, a request {limits.MAX_BODY // 10**6} MB" in text
    assert f"at most {limits.MAX_HELD // 10**6} MB of photos, and {limits.MAX_WAITING} requests wait" in text
    assert f"within {limits.HEADER_SECONDS:g} s, photos within {limits.BODY_SECONDS:g} s" in text
    assert f"a token of {MIN_TOKEN} characters or more" in text
