import codecs
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import onnx
import pytest

from facesim.pair_verdicts import ADDED
from facesim.verifier import Verifier


@pytest.fixture
def photos(tmp_path, hopper, collins, faceless):
    """A folder of photos: a.jpg and 'b b.jpg' of Hopper, c.jpg of Collins, wall.png of nobody."""
    (tmp_path / "a.jpg").symlink_to(hopper)
    (tmp_path / "b b.jpg").symlink_to(hopper.with_name("grace_hopper_print.jpg"))
    (tmp_path / "c.jpg").symlink_to(collins)
    return tmp_path


PAIRS = [("a.jpg", "b b.jpg"), ("a.jpg", "c.jpg"), ("wall.png", "a.jpg"), ("c.jpg", "c.jpg"), ("a.jpg", "gone.jpg")]


@pytest.fixture
def pairs(photos):
    path = photos / "pairs.csv"
    path.write_text("id,photo1,photo2\n" + "".join(f"{i},{a},{b}\n" for i, (a, b) in enumerate(PAIRS)))
    return path


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(text.splitlines()))


def test_each_pair_gets_its_row_in_order_and_a_bad_one_its_reason(run, pairs, photos, verifier):
    status, printed, notes = run("predict", "--pairs", pairs)
    rows = rows_of(printed)
    assert list(rows[0]) == ["id", "photo1", "photo2", *ADDED]
    assert [(row["id"], row["photo1"], row["photo2"]) for row in rows] == [
        (str(i), *pair) for i, pair in enumerate(PAIRS)
    ]
    assert [row["verdict"] for row in rows] == ["same", "different", "", "same", ""]
    assert "no face was found" in rows[2]["error"]
    assert "gone.jpg does not exist" in rows[4]["error"]
    verdict = verifier.verify(photos / "a.jpg", photos / "c.jpg")
    assert float(rows[1]["distance"]) == pytest.approx(verdict.distance, abs=1e-5)
    assert float(rows[1]["probability"]) == pytest.approx(verdict.probability, abs=1e-3)
    assert rows[1]["box2"] == "121,83,88,88"
    assert not rows[1]["error"]
    assert status == 2
    assert notes == "facesim: 2 same, 1 different, 2 without a verdict.\n"


def test_where_every_pair_has_a_verdict_that_is_success(run, pairs):
    pairs.write_text("photo1,photo2\na.jpg,c.jpg\n")
    assert run("predict", "--pairs", pairs)[0] == 0


def test_json_lines_say_what_csv_says_and_more(run, pairs):
    _, as_csv, _ = run("predict", "--pairs", pairs)
    _, as_json, _ = run("predict", "--pairs", pairs, "--json")
    for row, line in zip(rows_of(as_csv), map(json.loads, as_json.splitlines()), strict=True):
        assert (row["id"], row["photo1"], row["photo2"]) == (line["id"], line["photo1"], line["photo2"])
        assert row["error"] == line.get("error", "")
        if not row["error"]:
            assert float(row["distance"]) == pytest.approx(line["distance"], abs=1e-6)
            assert (row["verdict"] == "same") == line["same"]
            assert line["face1"]["box"].keys() == {"left", "top", "right", "bottom"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_pairs_come_from_stdin_and_answers_go_back_before_more_is_asked(repository, photos, encoding):
    command = [sys.executable, repository / "predict.py", "--pairs", "-"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    encoded = codecs.getincrementalencoder(encoding)().encode
    with subprocess.Popen(command, cwd=photos, bufsize=0, **streams) as process:
        process.stdin.write(encoded("photo1;photo2\n"))
        for one, other, verdict in (("a.jpg", "b b.jpg", "same"), ("a.jpg", "c.jpg", "different")):
            process.stdin.write(encoded(f"{one};{other}\n;\n"))
            while not (line := process.stdout.readline().decode()).startswith(one):
                assert line.startswith("photo1,photo2,verdict")
            assert line.split(",")[2] == verdict
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("cut", [0.02, 0.3, 0.71, 0.99, 1])
def test_an_interrupted_output_goes_on_to_the_same_whole(run, pairs, tmp_path, form, cut):
    options = ["predict", "--pairs", pairs, *(["--json"] if form == "json" else [])]
    whole, again = tmp_path / f"whole.{form}", tmp_path / f"again.{form}"
    assert run(*options, "-o", whole)[0] == 2
    assert whole.read_text() == run(*options)[1]
    partial = tmp_path / f"again.{form}.partial"
    written = whole.read_bytes()
    partial.write_bytes(written[: int(cut * len(written))])
    run(*options, "-o", again, "--resume")
    assert again.read_bytes() == written
    assert not partial.exists()


def test_what_was_redirected_and_broke_off_can_be_continued_too(run, pairs, tmp_path):
    whole = run("predict", "--pairs", pairs)[1]
    (tmp_path / "out.csv").write_text(whole[:-40])
    run("predict", "--pairs", pairs, "-o", tmp_path / "out.csv", "--resume")
    assert (tmp_path / "out.csv").read_text() == whole
    assert (tmp_path / "out.csv").read_text() == whole


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_continued_it_ends_as_it_would_have_at_once(run, pairs, tmp_path, form):
    output = tmp_path / "out"
    first = run("predict", "--pairs", pairs, "-o", output, *form)
    assert first == (2, "", "facesim: 2 same, 1 different, 2 without a verdict.\n")
    written = output.read_bytes()
    assert run("predict", "--pairs", pairs, "-o", output, *form, "--resume") == first
    output.write_bytes(written[: len(written) // 2])
    assert run("predict", "--pairs", pairs, "-o", output, *form, "--resume") == first
    assert output.read_bytes() == written


def test_killed_it_leaves_the_old_output_and_goes_on_with_the_new(repository, photos, hopper):
    rows = "".join(f"{i},a.jpg,c.jpg\n" for i in range(200_000))
    (photos / "pairs.csv").write_text(f"id,photo1,photo2\n{rows}")
    (photos / "out.csv").write_text("an older one")
    command = [sys.executable, str(repository / "predict.py"), "--pairs", "pairs.csv", "-o", "out.csv"]
    process = subprocess.Popen(command, cwd=photos)
    partial = photos / "out.csv.partial"
    while not partial.exists() or partial.stat().st_size < 50_000:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (photos / "out.csv").read_text() == "an older one"
    (photos / "pairs.csv").write_text("id,photo1,photo2\n" + "".join(rows.splitlines(keepends=True)[:10_000]))
    kept = partial.read_bytes()[:40_000]
    partial.write_bytes(kept)
    refused = subprocess.run(command, cwd=photos, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    assert subprocess.run([*command, "--resume"], cwd=photos, capture_output=True).returncode == 0
    done = (photos / "out.csv").read_text()
    assert done.encode().startswith(kept)
    assert [row["id"] for row in rows_of(done)] == [str(i) for i in range(done.count("\n") - 1)]
    assert done.count("\n") == 10_001


def test_ctrl_c_is_a_sentence_that_says_how_to_go_on(repository, photos):
    (photos / "pairs.csv").write_text("photo1,photo2\n" + "a.jpg,c.jpg\n" * 200_000)
    command = [sys.executable, repository / "predict.py", "--pairs", "pairs.csv", "-o", "out.csv"]
    heeding = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
    process = subprocess.Popen(command, cwd=photos, stderr=subprocess.PIPE, text=True, preexec_fn=heeding)
    partial = photos / "out.csv.partial"
    while not partial.exists() or not partial.stat().st_size:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("facesim: interrupted: out.csv.partial")
    assert said.count("\n") == 1


def test_an_output_of_other_pairs_or_another_threshold_is_not_continued(run, pairs, tmp_path):
    output = tmp_path / "out.csv"
    run("predict", "--pairs", pairs, "-o", output)
    before = output.read_text()
    pairs.write_text(pairs.read_text().replace("a.jpg,c.jpg", "c.jpg,a.jpg"))
    for change, words in (((), "other pairs"), (("-t", "0.5"), "another threshold")):
        status, _, notes = run("predict", "--pairs", pairs, "-o", output, "--resume", *change)
        assert status == 2
        assert words in notes
        pairs.write_text(pairs.read_text().replace("c.jpg,a.jpg", "a.jpg,c.jpg"))
        assert output.read_text() == before
        assert not (tmp_path / "out.csv.partial").exists()


@pytest.fixture
def other_model(tmp_path, model):
    """Another network with the threshold of the one that ships."""
    changed = onnx.load(model.path)
    tensor = next(tensor for tensor in changed.graph.initializer if len(tensor.raw_data) > 1000)
    tensor.raw_data = tensor.raw_data[:-4] + bytes(4)
    onnx.save(changed, tmp_path / "other.onnx")
    return tmp_path / "other.onnx"


@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_output_of_other_settings_is_not_continued(run, pairs, tmp_path, other_model, form, partly):
    options = ["predict", "--pairs", pairs, *(["--json"] if form == "json" else []), "-o", tmp_path / "out"]
    run(*options)
    written = tmp_path / ("out.partial" if partly else "out")
    (tmp_path / "out").rename(written)
    files = contents(tmp_path)
    for change in (("--faces", "all"), ("-t", "0.5"), ("-w", other_model)):
        status, printed, complaint = run(*options, "--resume", *change)
        assert (status, printed, complaint.count("\n")) == (2, "", 1)
        assert f"{written} was begun with another" in complaint
        assert contents(tmp_path) == files


@pytest.mark.parametrize("partly", [False, True])
@pytest.mark.parametrize(
    "there", ["the other form", "other columns", "a letter", "a word", "a photo", "a table", "JSON"]
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_facesim_did_not_begin_is_not_continued(run, pairs, tmp_path, hopper, there, form, partly):
    options = ["predict", "--pairs", pairs, *(["--json"] if form == "json" else [])]
    others = {
        "a letter": b"Dear reader,\nthis is a letter, not a table.\n",
        "a word": b"photo",
        "a photo": hopper.read_bytes(),
        "a table": b"id,photo1,photo2\n0,a.jpg,b b.jpg\n",
        "JSON": b'{"id": 1}\n[1]\n',
    }
    if there == "the other form":
        others[there] = run(*options[:3], *(["--json"] if form == "csv" else []))[1].encode()
    if there == "other columns":
        others[there] = run(*options)[1].replace("id", "number").encode()
    output = tmp_path / "out"
    written = tmp_path / ("out.partial" if partly else "out")
    written.write_bytes(others[there])
    files = contents(tmp_path)
    status, printed, complaint = run(*options, "-o", output, "--resume")
    assert (status, printed, complaint.count("\n")) == (2, "", 1)
    assert str(written) in complaint
    assert contents(tmp_path) == files


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


OWN = ["verdict", "same", "distance", "model", "face1", "error", "warning"]


def test_a_lists_columns_keep_their_names_and_values_in_both_forms(run, pairs):
    lines = pairs.read_text().splitlines()
    mine = [f"mine {i}" for i in range(len(OWN))]
    pairs.write_text("\n".join([",".join([lines[0], *OWN]), *(",".join([line, *mine]) for line in lines[1:])]))
    _, as_csv, _ = run("predict", "--pairs", pairs)
    _, as_json, _ = run("predict", "--pairs", pairs, "--json")
    for row, line in zip(rows_of(as_csv), map(json.loads, as_json.splitlines()), strict=True):
        assert [row[name] for name in OWN] == mine
        assert [line[name] for name in OWN] == mine
        assert row["facesim_verdict"] == line.get("facesim_verdict", "")
        assert row["facesim_error"] == line.get("facesim_error", "")
        if not row["facesim_error"]:
            assert float(row["facesim_distance"]) == pytest.approx(line["facesim_distance"], abs=1e-6)
            assert line["facesim_same"] == (row["facesim_verdict"] == "same")
            assert line["facesim_face1"]["faces"] == 1


def test_one_list_serves_predict_and_evaluate_in_both_forms(run, pairs, own_folders):
    pairs.write_text("photo1;photo2;same\na.jpg;b b.jpg;1\n;;\na.jpg;c.jpg;0\nc.jpg;b b.jpg;1\n", "utf-16")
    rows = rows_of(run("predict", "--pairs", pairs)[1])
    assert [(row["same"], row["verdict"]) for row in rows] == [("1", "same"), ("0", "different"), ("1", "different")]
    lines = [json.loads(line) for line in run("predict", "--pairs", pairs, "--json")[1].splitlines()]
    assert [(line["same"], line["verdict"]) for line in lines] == [(row["same"], row["verdict"]) for row in rows]
    status, printed, _ = run("evaluate", "--pairs", pairs)
    assert status == 0
    assert "2 genuine, 1 impostor" in printed


def test_nothing_that_is_read_is_written_over(run, pairs, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(photos)
    shutil.copy("a.jpg", "photo.jpg")
    os.link("photo.jpg", "link")
    os.symlink("pairs.csv", "list")
    shutil.copy("pairs.csv", "out.csv.partial")
    pairs.write_text(pairs.read_text().replace("gone.jpg", "photo.jpg"))
    files = contents(tmp_path)
    for listed, output in (
        *(("pairs.csv", name) for name in ("pairs.csv", "list", "photo.jpg", "link", "../" + tmp_path.name + "/c.jpg")),
        ("list", "pairs.csv"),
        ("out.csv.partial", "out.csv"),
    ):
        for more in ((), ("--resume",), ("--json",)):
            status, printed, complaint = run("predict", "--pairs", listed, "-o", output, *more)
            assert (status, printed, complaint.count("\n")) == (2, "", 1)
            assert "which is read; name another" in complaint
            assert contents(tmp_path) == files


def test_a_list_that_is_read_but_once_is_not_written_over_either(repository, photos, pairs):
    command = f"{sys.executable} {repository}/predict.py --pairs - < pairs.csv"
    files = contents(photos)
    for more in ("-o pairs.csv", "-o c.jpg", ">> pairs.csv"):
        ended = subprocess.run(f"{command} {more}", shell=True, cwd=photos, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert "which is read; name another" in ended.stderr
        now = contents(photos)
        assert {name: now[name] for name in files} == files


def test_names_that_are_no_text_survive(repository, photos, hopper):
    name = b"caf\xe9 \xe4\xba\xba.jpg"
    os.symlink(os.fsencode(hopper), os.path.join(os.fsencode(photos), name))
    (photos / "pairs.csv").write_bytes(b"photo1,photo2\n" + name + b",c.jpg\n")
    command = [sys.executable, repository / "predict.py", "--pairs", "pairs.csv"]
    printed = subprocess.run(command, cwd=photos, capture_output=True, check=True).stdout
    assert printed.splitlines()[1].startswith(name + b",c.jpg,different,")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--pairs", "PAIRS", "a.jpg"), "leave out others"),
        (("--pairs", "PAIRS", "--draw", "x.png"), "leave out others"),
        (("--pairs", "PAIRS", "--resume"), "--output"),
        (("a.jpg", "c.jpg", "-o", "x.csv"), "belong to --pairs"),
        (("--pairs", "nowhere.csv"), "nowhere.csv"),
        (("--pairs", "."), "."),
        (("--pairs", "PAIRS", "-o", "nowhere/out.csv"), "there is no folder"),
        (("--pairs", "PAIRS", "-o", "/dev/full"), "no ordinary file"),
        (("-img1", "a.jpg", "-img2", ".", "--draw", "x.png"), "two photos"),
        (("a.jpg", "c.jpg", "-box1", "1,2,3"), "no box"),
        (("a.jpg", "c.jpg", "-box1", "1,2,0,3"), "no width"),
        (("a.jpg", "c.jpg", "--faces", "some"), "some"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(run, pairs, monkeypatch, arguments, words):
    monkeypatch.chdir(pairs.parent)
    status, printed, complaint = run("predict", *(str(pairs) if word == "PAIRS" else word for word in arguments))
    assert status == 2
    assert printed == ""
    assert words in complaint
    assert complaint.count("\n") == 1


def test_a_full_disk_is_a_sentence_that_says_how_to_go_on(repository, photos, pairs):
    limited = f"ulimit -f 1; trap '' XFSZ; exec {sys.executable} {repository}/predict.py --pairs many.csv -o out.csv"
    (photos / "many.csv").write_text("photo1,photo2\n" + "a.jpg,c.jpg\n" * 100)
    ended = subprocess.run(["bash", "-c", limited], cwd=photos, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "out.csv cannot be written" in ended.stderr
    assert "--resume" in ended.stderr
    assert ended.stderr.count("\n") == 1
    command = [sys.executable, repository / "predict.py", "--pairs", "many.csv", "-o", "out.csv", "--resume"]
    assert subprocess.run(command, cwd=photos, capture_output=True).returncode == 0
    assert len(rows_of((photos / "out.csv").read_text())) == 100


def test_a_folders_photos_come_nearest_first(run, photos, hopper, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / "deeper").mkdir()
    (photos / "deeper" / "again.jpg").symlink_to(hopper)
    status, printed, notes = run("predict", "-img1", photos / "b b.jpg", "-img2", photos)
    lines = [line.split(maxsplit=2) for line in printed.splitlines()[1:]]
    assert status == 0
    assert [line[1] for line in lines] == ["same", "same", "different"]
    assert [float(line[0]) for line in lines] == sorted(float(line[0]) for line in lines)
    assert lines[2][2].endswith("c.jpg")
    assert "wall.png" in notes
    status, printed, _ = run("predict", photos / "c.jpg", photos / "deeper", "--json")
    assert status == 1
    assert json.loads(printed)["distance"] == pytest.approx(
        Verifier().verify(hopper, photos / "c.jpg").distance, abs=1e-5
    )


def test_a_folder_without_another_photo_is_trouble(run, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path):
        for name in ("a.jpg", "b b.jpg", "c.jpg"):
            if folder == tmp_path and name != "a.jpg":
                (tmp_path / name).unlink()
        status, _, complaint = run("predict", tmp_path / "a.jpg", folder)
        assert status == 2
        assert str(folder) in complaint


def test_faces_and_boxes_say_whom_the_verdict_is_about(run, both, collins):
    assert run("predict", collins, both)[0] == 1
    status, printed, notes = run("predict", collins, both, "--faces", "all")
    assert status == 0
    assert "closest pair" in notes
    face2 = printed.splitlines()[-1].split()
    assert face2[:2] == ["face", "2"]
    assert int(face2[2].split(",")[0]) > 600
    assert run("predict", collins, both, "-box2", face2[2])[0] == 0
    assert run("predict", "-img1", both, "-img2", both, "-box1", face2[2], "-box2", "180,150,200,200")[0] == 1


def test_a_name_may_begin_with_a_dash(run, photos, monkeypatch):
    monkeypatch.chdir(photos)
    os.symlink("a.jpg", "-x.jpg")
    assert run("predict", "-img1", "-x.jpg", "-img2", "b b.jpg")[0] == 0
    assert run("predict", "--", "-x.jpg", "c.jpg")[0] == 1
