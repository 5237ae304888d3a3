"""What a verb has no use for, it does not import: help, complaints and small galleries come at once."""

import subprocess
import sys

import pytest

from facesim.cli.verbs import VERBS

OF_GALLERIES = {"lancedb", "lance", "pandas", "pyarrow", "portalocker"}
HEAVY = OF_GALLERIES | {"matplotlib", "bokeh", "sklearn", "scipy", "torch", "onnx", "onnxruntime", "ray", "cv2"}
MODEL = {"onnxruntime"}  # what opens the model
OF_WRITING = {"shutil", "tempfile"}  # which load compression, random numbers and more
PROGRAM = """
import sys
from facesim.cli import main
for line in sys.stdin.read().splitlines():
    try: main(line.split(), prog_name="facesim")
    except SystemExit as ended: print("ended", ended.code)
print("imported", *sys.modules)
"""


def run_lines(*lines, cwd=None, among=HEAVY) -> tuple[dict[str, str], set[str]]:
    """Run `facesim` with lines of arguments, in one process; return their statuses, and what of `among` it imported."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=cwd, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    *printed, imported = ended.stdout.splitlines()
    statuses = [line.removeprefix("ended ") for line in printed if line.startswith("ended ")]
    return dict(zip(lines, statuses, strict=True)), set(imported.split()) & among


@pytest.fixture(scope="module")
def place(hopper, tmp_path_factory):
    """A folder with a photo, and a gallery of it that `facesim enrol` has made."""
    place = tmp_path_factory.mktemp("place")
    (place / "grace.jpg").symlink_to(hopper)
    statuses, _ = run_lines("enrol gallery grace.jpg --name Grace", cwd=place)
    assert set(statuses.values()) == {"0"}
    return place


def test_no_help_imports_anything_heavy():
    lines = [f"{verb} --help" for verb in VERBS]
    assert run_lines(*lines) == (dict.fromkeys(lines, "0"), set())


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        (
            (
                "list nowhere",
                "search nowhere grace.jpg",
                "identify nowhere grace.jpg",
                "identify gallery missing.jpg",
                "identify gallery grace.jpg -t 3",
                "identify gallery grace.jpg -t 0.3 --fmr 0.1",
                "watch gallery clip.mp4 -t 3",
                "cluster grace.jpg -t 3",
                "rename nowhere Ana Bea",
                "rename gallery Ana",
                "forget nowhere Ana",
                "forget gallery",
                "reembed nowhere",
                "predict grace.jpg",
            ),
            set(),
        ),
        (("search gallery missing.jpg", "enrol new missing.jpg --name Ana", "embed missing.jpg --to new"), MODEL),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_heavy_is_imported(place, lines, allowed):
    assert run_lines(*lines, cwd=place) == (dict.fromkeys(lines, "2"), allowed)


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        (("list gallery", "list gallery --totals"), set()),
        (("search gallery grace.jpg", "identify gallery grace.jpg", "cluster gallery grace.jpg"), MODEL),
    ],
)
def test_a_small_gallery_is_read_without_what_writes_it(place, lines, needed):
    assert run_lines(*lines, cwd=place) == (dict.fromkeys(lines, "0"), needed)


def test_a_verdict_is_given_without_what_writes_files(place):
    line = "predict grace.jpg grace.jpg"
    assert run_lines(line, cwd=place, among=OF_WRITING) == ({line: "0"}, set())
