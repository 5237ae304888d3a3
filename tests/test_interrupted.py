"""Whoever is killed while writing leaves the old or the new, whole; a disk that is full or read-only is a sentence."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# A program that knows where to write and what, and is killed at a moment of its writing.
MORTAL = """
import os, signal, sys
from pathlib import Path
target, text, moment = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def fsync(file, real=os.fsync):
    if moment == "half written":
        os.ftruncate(file, os.fstat(file).st_size // 2)
        die()
    real(file)

def replace(*paths, real=os.replace):
    if moment == "before it takes its place":
        die()
    real(*paths)
    if moment == "after it took its place":
        die()

def rename(*paths):
    replace(*paths, real=real_rename)

os.fsync, os.replace, real_rename, os.rename = fsync, replace, os.rename, rename
"""
MOMENTS = {"half written": "old", "before it takes its place": "old", "after it took its place": "new"}
WRITERS = {
    "picture.png": """
from PIL import Image
from facesim.files import save_picture
save_picture(Image.new("RGB", (300, 300), {"old": "red", "new": "blue"}[text]), target)
""",
    "facesim-exclude.txt": """
from facesim.data.exclusions import write_exclusions
write_exclusions(target, {text: "no face"})
""",
    "sweep.csv": """
import numpy as np
from facesim.evaluation.metrics import SortedDistances
from facesim.evaluation.sweep.curve import write_csv
thresholds = np.array([0.1, {"old": 0.2, "new": 0.3}[text]])
write_csv(SortedDistances.of(np.arange(10) / 10, np.arange(10) < 5).curve(thresholds), target)
""",
}
EXPORT = """
from facesim.model import Model
from facesim.training.export import export
from facesim.training.network import Recogniser, SiameseNet
export(SiameseNet([Recogniser("small")]).eval(), Model().info, target)
"""


def python(program: str, *arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.mark.parametrize("name", WRITERS)
def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path, name):
    contents = {}
    for text in ("old", "new"):
        ended = python(MORTAL + WRITERS[name], tmp_path / name, text, "never")
        assert ended.returncode == 0, ended.stderr
        contents[text] = (tmp_path / name).read_bytes()
    assert contents["old"] != contents["new"]
    for moment, left in MOMENTS.items():
        (tmp_path / name).write_bytes(contents["old"])
        assert python(MORTAL + WRITERS[name], tmp_path / name, "new", moment).returncode == -signal.SIGKILL
        assert (tmp_path / name).read_bytes() == contents[left], moment


def test_a_model_that_is_half_written_has_replaced_nothing(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old one")
    ended = python(MORTAL + EXPORT, path, "new", "half written")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert path.read_bytes() == b"the old one"


@pytest.fixture
def photos(tmp_path, hopper, collins) -> Path:
    """Twelve people with two photos each, of two faces."""
    for i in range(12):
        for photo in (hopper, collins):
            (tmp_path / "photos" / f"person {i}").mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, tmp_path / "photos" / f"person {i}" / f"{photo.stem}.jpg")
    return tmp_path / "photos"


@pytest.fixture
def few(tmp_path, hopper, collins) -> Path:
    for name, photo in (("grace", hopper), ("eileen", collins)):
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "few" / name)
    return tmp_path / "few"


CACHE = """
from facesim.data.cache import cached_crops
from facesim.data.dataset import read_folder
crops = cached_crops(read_folder(target), home=Path(text))
print(crops.problems, crops.wide[[0, 1]].sum(), crops.face_counts.tolist())
"""


def test_a_killed_cropping_leaves_whole_crops_only(few, tmp_path):
    whole = python(MORTAL + CACHE, few, tmp_path / "whole", "never").stdout
    assert whole.startswith("{} ")
    for moment in ("before it takes its place", "after it took its place"):
        cache = tmp_path / moment
        assert python(MORTAL + CACHE, few, cache, moment).returncode == -signal.SIGKILL
        crops = [path for path in cache.rglob("*") if path.is_file() and not path.name.startswith(".")]
        assert bool(crops) == (moment == "after it took its place")
        assert python(MORTAL + CACHE, few, cache, "never").stdout == whole


@pytest.fixture
def pairs(tmp_path, hopper, collins) -> Path:
    lines = ["photo1,photo2,same", f"{hopper},{hopper.with_name('grace_hopper_print.jpg')},1", f"{hopper},{collins},0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    return tmp_path / "pairs.csv"


SWEEP = """
from facesim.cli import main
main(["sweep", "--pairs", text, "--output", str(target)])
"""


def test_a_killed_report_leaves_none_or_the_old_one(pairs, tmp_path, own_folders):
    report = tmp_path / "reports" / "mine"
    moment = "before it takes its place"
    assert python(MORTAL + SWEEP, tmp_path / "other", pairs, "never").returncode == 0  # the crops are there
    assert python(MORTAL + SWEEP, report, pairs, moment).returncode == -signal.SIGKILL
    assert not report.exists()
    assert python(MORTAL + SWEEP, report, pairs, "never").returncode == 0
    whole = contents(report)
    assert {"index.html", "metrics.json", "roc.png", "sweep.csv"} <= whole.keys()
    pairs.write_text(pairs.read_text().replace(",0", ",1"))
    assert python(MORTAL + SWEEP, report, pairs, moment).returncode == -signal.SIGKILL
    assert contents(report) == whole


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


NOWHERE = Path("/proc/nowhere")  # where nobody can write, not even root


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("predict A A --draw /proc/nowhere.png", "/proc/nowhere.png"),
        ("inspect FEW --draw /proc/nowhere.png", "/proc/nowhere.png"),
        ("inspect FEW --fix --exclusions /proc/nowhere.txt", "/proc/nowhere.txt"),
        ("map FEW --output /proc/nowhere.html", "/proc/nowhere.html"),
        ("sweep --pairs PAIRS --output /proc/nowhere", "/proc/nowhere"),
        ("train --data PHOTOS --backbone small --localiser-epochs 0 --run /proc/nowhere", "/proc/nowhere"),
    ],
)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has a folder that not even root can write to")
def test_a_read_only_folder_is_one_line_that_names_it(
    run, few, photos, pairs, hopper, own_folders, tmp_path, arguments, named
):
    (few / "grace" / "torn.jpg").write_text("not a photo")
    names = {"A": hopper, "FEW": few, "PHOTOS": photos, "PAIRS": pairs}
    status, printed, complaint = run(*(names.get(argument, argument) for argument in arguments.split()))
    *_, line = complaint.splitlines()
    assert (status, printed) == (2, "")
    assert line.startswith("facesim: ")
    assert f"{named} cannot be written" in line


@pytest.mark.parametrize("verb", ["inspect", "evaluate"])
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux has a folder that not even root can write to")
def test_a_read_only_cache_is_one_line_that_names_it(run, few, pairs, own_folders, monkeypatch, verb):
    monkeypatch.setenv("XDG_CACHE_HOME", str(NOWHERE))
    status, printed, complaint = run(*(("inspect", few) if verb == "inspect" else ("evaluate", "--pairs", pairs)))
    assert (status, printed) == (2, "")
    assert complaint.startswith("facesim: ")
    assert f"{NOWHERE}/facesim/crops" in complaint
    assert "cannot be written" in complaint


@pytest.mark.parametrize(
    ("arguments", "target", "room"),
    [
        ("predict A A --draw OUT/picture.png", "picture.png", 1000),
        ("inspect FEW --draw OUT/picture.png", "picture.png", 1000),
        ("map PHOTOS --output OUT/page.html", "page.png", 1000),
        ("sweep --pairs PAIRS --output OUT/report", "report", 100_000),
    ],
)
def test_a_full_disk_is_one_line_that_names_what_was_to_be_written(
    few, photos, pairs, hopper, own_folders, tmp_path, arguments, target, room
):
    """The limit on the size of a file stands for the room that is left."""
    names = {"A": hopper, "FEW": few, "PHOTOS": photos, "PAIRS": pairs}
    out = tmp_path / "out"
    command = [str(names.get(argument, argument)) for argument in arguments.split()]
    if command[0] != "predict":  # now the crops are there
        (tmp_path / "before").mkdir()
        python(RUN, "-1", *(argument.replace("OUT", str(tmp_path / "before")) for argument in command))
    out.mkdir()
    ended = python(RUN, room, *(argument.replace("OUT", str(out)) for argument in command))
    *_, line = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert line.startswith(f"facesim: {out / target}")
    assert "cannot be written: File too large" in line
    assert not [path for path in out.rglob("*") if path.is_file()]


RUN = """
import resource, sys
room = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
from facesim.cli import main
main(sys.argv[2:])
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_under_stdout_is_one_line(hopper):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", RUN, "-1", "predict", hopper, hopper], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 2
    assert ended.stderr.startswith("facesim: ")
    assert ended.stderr.count("\n") == 1
