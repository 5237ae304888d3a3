"""Names that a terminal cannot print, of photos, folders and people, keep no verb from its work."""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from facesim.cli import main

LATIN = os.fsdecode(b"caf\xe9 \xff.jpg")  # no UTF-8
PERSON = "山田"


@pytest.fixture(scope="module")
def place(tmp_path_factory, hopper, collins) -> Path:
    place = tmp_path_factory.mktemp("names")
    for person, photo in ((PERSON, hopper), ("Zoë", collins)):
        (place / "photos" / person).mkdir(parents=True)
        for name in (LATIN, "→.jpg"):
            shutil.copy(photo, place / "photos" / person / name)
    return place


@pytest.fixture
def facesim(place, repository, monkeypatch):
    """Runs a verb where output has an encoding, as a program of its own or here; gives its exit status and output."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.chdir(place)

    def facesim(*arguments, encoding="cp1252", program=False):
        status, printed, said = (alone if program else here)(arguments, encoding)
        said = said.decode(encoding, "replace")
        assert "Traceback" not in said
        assert "should not have happened" not in said
        return status, printed.decode(encoding, "replace")

    def alone(arguments, encoding):
        environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(repository)}
        ended = subprocess.run([sys.executable, "-m", "facesim", *arguments], env=environment, capture_output=True)
        return ended.returncode, ended.stdout, ended.stderr

    def here(arguments, encoding):
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding) for name in ("stdout", "stderr")}
        with redirect_stdout(streams["stdout"]), redirect_stderr(streams["stderr"]), pytest.raises(SystemExit) as ended:
            main(list(arguments))
        for stream in streams.values():
            stream.flush()
        return ended.value.code, *(stream.buffer.getvalue() for stream in streams.values())

    return facesim


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_verdicts_on_photos_whose_names_cannot_be_printed(facesim, encoding):
    name = f"photos/{PERSON}/{LATIN}"
    status, printed = facesim("predict", name, name, "--faces", "all", encoding=encoding, program=True)
    assert status == 0
    assert printed.startswith("Same person.")
    status, printed = facesim("predict", name, "photos", encoding=encoding)
    assert status == 0
    assert printed.count(".jpg") == 3


def test_json_has_such_names_as_they_are(facesim):
    name = f"photos/{PERSON}/{LATIN}"
    status, printed = facesim("predict", name, name, "--json")
    assert status == 0
    assert json.loads(printed)["face1"]["photo"] == name


def test_a_gallery_of_such_names(facesim):
    assert facesim("enrol", "gallery", "photos")[0] == 0
    status, printed = facesim("list", "gallery")
    assert status == 0
    assert len(printed.splitlines()) == 2
    for verb, photos in (("search", 4), ("identify", 1)):
        status, printed = facesim(verb, "gallery", f"photos/Zoë/{LATIN}")
        assert status == 0
        assert printed.count(".jpg") == photos
    assert facesim("rename", "gallery", PERSON, "李")[0] == 0
    assert facesim("forget", "gallery", "李")[0] == 0


def test_a_data_set_of_such_names_is_inspected(facesim):
    status, printed = facesim("inspect", "photos", "--draw", "inspected.png")
    assert status == 0
    assert "identities" in printed


def test_a_model_file_of_such_a_name(facesim, place, model):
    shutil.copy(model.path, place / os.fsdecode(b"mod\xe8le.onnx"))
    name = f"photos/{PERSON}/{LATIN}"
    assert facesim("predict", name, name, "-w", os.fsdecode(b"mod\xe8le.onnx"))[0] == 0
