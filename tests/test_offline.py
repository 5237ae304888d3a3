"""Nothing leaves the machine: strace sees every address that a verb turns to, and every file that it writes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from serving import Client

from facesim.cli import VERBS

pytest.importorskip("starlette", reason="the extra serve is not installed")
cv2 = pytest.importorskip("cv2")

COMMANDS = {  # in an order in which each finds what it needs
    "train": [
        "--data people --output small.onnx --backbone small --localiser-epochs 1 --epochs 1 --people-per-batch 2"
    ],
    "predict": ["grace.jpg eileen.jpg --draw pair.png", "grace.jpg people", "--pairs pairs.csv --output verdicts.csv"],
    "inspect": ["people --draw inspected.png"],
    "preview": ["people --draw preview.png"],
    "evaluate": ["--data people --by detector", "--data people --open-set"],
    "sweep": ["--data people --output report"],
    "calibrate": ["--data people --output calibrated.onnx"],
    "compare": ["small.onnx small.onnx --data people"],
    "map": ["people --output map.html"],
    "neighbours": ["grace.jpg people --draw near.png"],
    "adopt": ["recogniser.onnx --output adopted.onnx --data people"],
    "enrol": ["gallery people"],
    "embed": ["people --to gallery", "people --to other --engine ray"],
    "identify": ["gallery grace.jpg"],
    "search": ["gallery grace.jpg"],
    "watch": ["gallery clip.mp4"],
    "cluster": ["gallery --to gallery --draw clusters.png --output clusters.csv"],
    "list": ["gallery", "gallery --totals"],
    "serve": ["--gallery other --write --port 0"],
    "rename": ["gallery Ana Bea"],
    "export": ["gallery --to sorted"],
    "forget": ["gallery Bea"],
    "reembed": ["gallery -w small.onnx"],
    "cache": ["", "--clear"],
}
CALLS = (
    "connect,sendto,sendmsg,sendmmsg,"
    "open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat"
)
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
LOOK_UP = re.compile(r"htons\(53\)|/run/systemd/resolve")  # of a host, by a resolver on this machine, too
PATH = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"|\b\w+\("([^"]*)"')


@pytest.fixture(scope="module")
def place(copy_people, hopper, collins, tmp_path_factory) -> Path:
    """A folder with what the commands need, `here`, and another for their user, `home`."""
    place = tmp_path_factory.mktemp("offline")
    for folder in ("here", "home"):
        (place / folder).mkdir()
    here = place / "here"
    copy_people(12, 4).rename(here / "people")
    for i, folder in enumerate(sorted((here / "people").iterdir())):  # under names of people whom no model has seen
        folder.rename(here / "people" / (f"Person {i}" if i else "Ana"))
    shutil.copy(hopper, here / "grace.jpg")
    shutil.copy(collins, here / "eileen.jpg")
    (here / "pairs.csv").write_text("photo1,photo2\ngrace.jpg,eileen.jpg\n")
    faces = helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, 8, 8])
    embeddings = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["faces"], ["embeddings"])], "as it is", [faces], [embeddings]
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), here / "recogniser.onnx"
    )
    video = cv2.VideoWriter(str(here / "clip.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 4, (340, 340))
    for _ in range(4):
        video.write(np.asarray(Image.open(collins).convert("RGB"))[:, :, ::-1])
    video.release()
    return place


@pytest.fixture
def scratch():
    """A folder for what is of no lasting use; its path is short, as that of a socket must be."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def traced(place: Path, scratch: Path, arguments: list[str]) -> list[str]:
    """Run `facesim` with arguments; return the calls by which it, or a process that it started, sent or wrote."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    environment |= {"HOME": str(place / "home"), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-y",
        "-s",
        "4096",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(place / "trace"),
    ]
    command += [sys.executable, "-c", "from facesim.cli import main; main()", *arguments]
    where = {"cwd": place / "here", "env": environment}
    if arguments[0] == "serve":
        serve_and_stop(command, where)
    else:
        done = subprocess.run(command, **where, capture_output=True, text=True, timeout=300)
        assert done.returncode in (0, 1), done.stderr
    return (place / "trace").read_text(errors="replace").splitlines()


def serve_and_stop(command: list[str], where: dict) -> None:
    """Run the server that a command starts, enrol an upload of more than 1 MB, compare two, and stop it."""
    photo = (where["cwd"] / "grace.jpg").read_bytes() + bytes(2**20)
    with subprocess.Popen(command, **where, stderr=subprocess.PIPE, text=True) as tracer:
        client = Client(int(re.search(r":(\d+)/", tracer.stderr.readline())[1]))
        assert client.get("/").status == 200
        assert client.post("/v1/verify", ("photo1", photo), ("photo2", photo), crops=1).json["same"]
        assert client.post("/v1/people", ("photo", photo), name="Grace").status == 200
        (traced,) = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
        os.kill(int(traced), signal.SIGINT)
        assert tracer.wait(60) == 0


def written(place: Path, call: str) -> set[str]:
    """Return the paths that a call made, or opened to write."""
    if "connect(" in call or "send" in call or " = -1 " in call:
        return set()
    if "open" in call and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|creat\(", call):
        return set()
    return {os.path.join(folder or place / "here", name or alone) for folder, name, alone in PATH.findall(call)}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
@pytest.mark.parametrize(("verb", "arguments"), [(verb, line) for verb in COMMANDS for line in COMMANDS[verb]])
def test_a_verb_turns_to_nobody_and_writes_only_where_it_says(place, verb, arguments, scratch):
    calls = traced(place, scratch, [verb, *arguments.split()])
    addresses = {one or other for call in calls for one, other in ADDRESS.findall(call)}
    assert {address for address in addresses if not LOOPBACK.match(address)} == set()
    assert [call for call in calls if "connect(" in call or "send" in call if LOOK_UP.search(call)] == []
    caches = (".cache/facesim", ".cache/matplotlib", ".config/matplotlib")
    allowed = (place / "here", scratch, *(place / "home" / cache for cache in caches))
    paths = set().union(*(written(place, call) for call in calls))
    made = {str(place / "home" / folder) for folder in (".cache", ".config")}
    assert {p for p in paths if not p.startswith(("/dev/", "/proc/", *map(str, allowed)))} <= made
    assert [path for path in scratch.rglob("*") if path.is_file()] == []


def test_every_verb_is_traced():
    assert COMMANDS.keys() == VERBS.keys()


def test_a_verdict_leaves_nothing_behind(place, tmp_path):
    command = [sys.executable, "-c", "from facesim.cli import main; main()", "predict", "grace.jpg", "eileen.jpg"]
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert subprocess.run(command, cwd=place / "here", env=environment).returncode == 1
    assert list(tmp_path.iterdir()) == []
