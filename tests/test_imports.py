"""What a verb has no use for, it does not import: help, complaints and small galleries come at once."""

import subprocess
import sys

import pytest

from facesim.cli.verbs import VERBS

OF_GALLERIES = {"lancedb", "lance", "pandas", "pyarrow", "portalocker"}
OF_REPORTS = {"matplotlib", "bokeh", "sklearn", "scipy", "imagehash"}
MODEL = {"onnxruntime", "dlib"}  # what finds a face and embeds it
HEAVY = OF_GALLERIES | OF_REPORTS | MODEL | {"torch", "onnx", "ray", "cv2", "starlette", "uvicorn"}
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
    """A folder with two photos, a list of them, and a gallery of them that `facesim enrol` has made."""
    place = tmp_path_factory.mktemp("place")
    (place / "grace.jpg").symlink_to(hopper)
    (place / "people" / "Ada").mkdir(parents=True)
    (place / "people" / "Ada" / "print.jpg").symlink_to(hopper.with_name("grace_hopper_print.jpg"))
    (place / "pairs.csv").write_text("photo1,photo2,same\ngrace.jpg,people/Ada/print.jpg,1\n")
    enrolling = ("enrol gallery grace.jpg --name Grace", "enrol gallery people")
    assert run_lines(*enrolling, cwd=place)[0] == dict(zip(enrolling, "01", strict=True))  # 1: they look alike
    return place


def test_no_help_imports_anything_heavy():
    lines = [f"{verb} --help" for verb in VERBS]
    assert run_lines(*lines) == (dict.fromkeys(lines, "0"), set())


@pytest.mark.parametrize(
    "lines",
    [
        """
        predict grace.jpg
        predict missing.jpg grace.jpg
        predict grace.jpg missing.jpg
        predict missing.jpg people
        predict grace.jpg grace.jpg --nonsense
        predict grace.jpg grace.jpg -t 3
        predict grace.jpg grace.jpg -t 0.3 --fmr 0.1
        predict grace.jpg grace.jpg --faces two
        predict grace.jpg grace.jpg -box1 1,2
        predict grace.jpg grace.jpg -w missing.onnx
        predict grace.jpg grace.jpg -w grace.jpg
        predict grace.jpg grace.jpg --draw a.gif
        predict --pairs missing.csv
        predict --pairs pairs.csv -o missing/out.csv
        serve --write
        serve --token one --token-file two
        serve --token-file missing
        serve --host 0.0.0.0
        serve --port many
        serve -t 0.3 --fmr 0.1
        serve -w missing.onnx
        serve --gallery nowhere
        """,
        """
        enrol new
        enrol new missing.jpg --name Ana
        enrol new grace.jpg
        enrol new grace.jpg --name Ana --depth 1
        enrol new grace.jpg --name Ana -w missing.onnx
        enrol people grace.jpg --name Ana
        embed grace.jpg
        embed missing.jpg --to new
        embed grace.jpg --to people
        embed grace.jpg --to new --engine ray -g 0
        identify nowhere grace.jpg
        identify gallery missing.jpg
        identify gallery grace.jpg -t 3
        identify gallery grace.jpg -t 0.3 --fmr 0.1
        identify gallery grace.jpg --fmr 7
        identify gallery people --draw a.gif
        search nowhere grace.jpg
        search gallery missing.jpg
        search gallery grace.jpg -k 0
        watch nowhere 0
        watch gallery missing.mp4
        watch gallery grace.jpg --draw a.gif
        watch gallery grace.jpg -t 0.3 --fmr 0.1
        cluster missing.jpg
        cluster grace.jpg -t 3
        cluster grace.jpg -o missing/a.csv
        cluster grace.jpg --to people
        list nowhere
        rename nowhere Ana Bea
        rename gallery Nobody Bea
        rename gallery Ada Grace
        export nowhere --to new
        export gallery --to gallery
        forget nowhere Ana
        forget gallery
        reembed nowhere
        reembed gallery -w missing.onnx
        """,
        """
        evaluate --data missing
        evaluate --pairs missing.csv
        evaluate --pairs pairs.csv --data lfw
        evaluate --view 1 --data pins
        evaluate --open-set --view 1
        evaluate --by gender --draw a.gif
        evaluate -w missing.onnx
        sweep --data missing
        sweep --pairs missing.csv
        sweep --data people -o grace.jpg
        sweep -w missing.onnx
        calibrate --data missing -o new.onnx
        calibrate --data people -o missing/new.onnx
        calibrate --data people -o new.onnx --eer --max-f1
        calibrate --data people -o new.onnx -w missing.onnx
        compare missing.onnx missing.onnx
        compare grace.jpg grace.jpg
        map missing
        map people --method umap
        map people -w missing.onnx
        neighbours missing.jpg people
        neighbours grace.jpg missing
        neighbours grace.jpg people --draw a.gif
        inspect missing
        inspect people --draw a.gif
        inspect people --exclusions list
        preview missing
        preview people --draw a.gif
        train --data missing
        train --data people --init missing.onnx
        train --data people --exclude missing.txt
        train --data people --output model.txt
        train --data people --epochs -1
        train --config missing.json
        adopt missing.onnx -o new.onnx
        adopt missing.onnx -o new.onnx --data missing
        adopt missing.onnx -o new.onnx --scale many
        cache nonsense
        """,
    ],
    ids=["comparing", "galleries", "reports"],
)
def test_a_wrong_argument_is_refused_before_anything_heavy_is_imported(place, lines):
    lines = [line.strip() for line in lines.strip().splitlines()]
    assert run_lines(*lines, cwd=place) == (dict.fromkeys(lines, "2"), set())


def test_an_evaluation_imports_nothing_that_draws_fits_or_trains(place):
    line = "evaluate --pairs pairs.csv"
    assert run_lines(line, cwd=place) == ({line: "0"}, MODEL)


@pytest.mark.parametrize(
    ("lines", "needed"),
    [
        (("list gallery", "list gallery --totals", "export gallery --to sorted"), set()),
        (("search gallery grace.jpg", "identify gallery grace.jpg", "cluster gallery grace.jpg"), MODEL),
    ],
)
def test_a_small_gallery_is_read_without_what_writes_it(place, lines, needed):
    assert run_lines(*lines, cwd=place) == (dict.fromkeys(lines, "0"), needed)


def test_a_verdict_is_given_without_what_writes_files(place):
    line = "predict grace.jpg grace.jpg"
    assert run_lines(line, cwd=place, among=OF_WRITING) == ({line: "0"}, set())
