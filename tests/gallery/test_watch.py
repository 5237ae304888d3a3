import http.server
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from facesim.detector import finding
from facesim.detector.finding import glance
from facesim.errors import FaceSimError
from facesim.gallery.enrol import enrol
from facesim.gallery.store import open_or_create_gallery
from facesim.photo import open_photo

cv2 = pytest.importorskip("cv2")

from facesim.gallery.video import CutShortError, Video, write_video  # noqa: E402
from facesim.gallery.video_file import check_video_path  # noqa: E402

RATE = 4  # frames per second
SIZE = (400, 300)


def write_frames(path: Path, pictures, code: str = "mp4v", rate: float = RATE) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), rate, pictures[0].size)
    for picture in pictures:
        writer.write(np.asarray(picture)[:, :, ::-1])
    writer.release()
    return path


@pytest.fixture(scope="module")
def grace(hopper) -> Image.Image:
    return ImageOps.pad(Image.open(hopper).convert("RGB"), SIZE)


@pytest.fixture(scope="module")
def eileen(collins) -> Image.Image:
    return ImageOps.pad(Image.open(collins).convert("RGB"), SIZE)


@pytest.fixture(scope="module")
def nobody() -> Image.Image:
    return Image.new("RGB", SIZE, "grey")


@pytest.fixture(scope="module")
def clip(tmp_path_factory, grace, nobody, eileen) -> Path:
    """A video of three seconds: Grace Hopper, nobody, Eileen Collins."""
    return write_frames(tmp_path_factory.mktemp("clip") / "clip.mp4", [grace] * 4 + [nobody] * 4 + [eileen] * 4)


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory, grace) -> Path:
    """A video that says it has three seconds, and ends before."""
    path = write_frames(tmp_path_factory.mktemp("cut") / "cut.avi", [grace] * 12, "MJPG")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    return path


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, verifier, hopper) -> str:
    """A gallery in which Grace Hopper is enrolled, by another print of the photo."""
    gallery = open_or_create_gallery(str(tmp_path_factory.mktemp("gallery") / "gallery"), verifier.model)
    list(enrol(gallery, verifier, [(str(hopper.with_name("grace_hopper_print.jpg")), "Grace Hopper")]))
    return gallery.address


@pytest.fixture
def begun(gallery, repository):
    """Begins `facesim watch` on a source, as a process of its own that heeds Ctrl-C."""
    running = []

    def begin(*arguments):
        program = "from facesim.cli import main; main()"
        command = [sys.executable, "-c", program, "watch", gallery, *map(str, arguments)]
        heeding = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, cwd=repository, preexec_fn=heeding, **streams))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def all_frames(source, every: float = 0.0) -> list:
    with Video(source) as video:
        return list(video.frames(every))


def frames_of(camera: Video, every: float = 0.0, pause: float = 0.0) -> list:
    """Look at a camera's frames, each for so long, until it is unplugged."""
    frames = []
    with pytest.raises(CutShortError, match="camera 0 gives no more pictures"):  # noqa: PT012
        for frame in camera.frames(every):
            frames.append(frame)
            time.sleep(pause)
    return frames


def lines_of(printed: str) -> list[dict]:
    return [json.loads(line) for line in printed.splitlines()]


def test_each_face_of_each_frame_gets_its_line(run, gallery, clip):
    status, printed, notes = run("watch", gallery, clip)
    header, *lines = printed.splitlines()
    assert header.split()[:4] == ["seconds", "name", "distance", "probability"]
    assert [line[:21].split() for line in lines] == [
        *([second, "Grace", "Hopper"] for second in ("0.00", "0.25", "0.50", "0.75")),
        *([second, "unknown"] for second in ("2.00", "2.25", "2.50", "2.75")),
    ]
    assert all(line.endswith(str(clip)) for line in lines)
    assert status == 0
    assert notes == "facesim: threshold 0.4353: FMR 0.918 % on lfw; up to 26.3 % on london (black).\n"


def test_json_has_a_line_for_each_frame_with_a_face_or_without(run, gallery, clip):
    status, printed, _ = run("watch", gallery, clip, "--json")
    lines = lines_of(printed)
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["seconds"] for line in lines] == [i / RATE for i in range(12)]
    names = [[seen["name"] for seen in line["faces"]] for line in lines]
    assert names == [["Grace Hopper"]] * 4 + [[]] * 4 + [[None]] * 4
    assert lines[0]["faces"][0]["photo"] == str(clip)
    assert status == 0


def test_nobody_known_is_1(run, gallery, tmp_path, eileen, nobody):
    path = write_frames(tmp_path / "clip.mp4", [nobody, eileen])
    assert run("watch", gallery, path)[0] == 1
    assert run("watch", gallery, path, "-t", "1.9")[0] == 0


@pytest.mark.parametrize(("every", "numbers"), [("0.5", [0, 2, 4, 6, 8, 10]), ("0.6", [0, 3, 6, 9]), ("100", [0])])
def test_frames_are_so_many_seconds_apart(run, gallery, clip, every, numbers):
    status, printed, _ = run("watch", gallery, clip, "--json", "--every", every)
    assert [line["frame"] for line in lines_of(printed)] == numbers
    assert status == 0


def test_frames_are_rgb_and_what_was_filmed(clip, grace):
    frames = all_frames(clip)
    assert frames[0].pixels.shape == (300, 400, 3)
    assert frames[0].pixels.dtype == np.uint8
    assert np.abs(frames[0].pixels.astype(int) - np.asarray(grace)).mean() < 5  # red and blue exchanged: 20


def test_a_phones_video_stands_upright(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 300 << 16, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(data)
    turned, straight = all_frames(tmp_path / "phone.mp4")[0].pixels, all_frames(clip)[0].pixels
    assert np.array_equal(turned, np.rot90(straight, -1))


def test_one_look_shows_faces_of_all_sizes(both, faceless):
    near, far = glance(open_photo(both))
    assert near.box.side > far.box.side
    assert near.box.right < 512 < far.box.left
    assert glance(open_photo(faceless)) == []


def test_a_frame_gets_one_look(run, gallery, clip, monkeypatch):
    looks, look = [], finding.hog_look
    monkeypatch.setattr(finding, "hog_look", lambda *about: looks.append(about) or look(*about))
    run("watch", gallery, clip)
    assert len(looks) == 12


def test_the_video_that_is_shown_has_the_frames_and_the_boxes(run, gallery, clip, tmp_path):
    assert run("watch", gallery, clip, "--draw", tmp_path / "shown.mp4")[0] == 0
    with Video(tmp_path / "shown.mp4") as shown:
        assert (shown.rate, shown.count) == (RATE, 12)
        for frame, filmed in zip(shown.frames(), all_frames(clip), strict=True):
            assert frame.seconds == filmed.seconds
            added = (frame.pixels.astype(int) - filmed.pixels)[:, :, :2]
            green, red = added[:, :, 1] - added[:, :, 0], added[:, :, 0] - added[:, :, 1]
            colour = [(green > 60).sum() > 200, (red > 60).sum() > 200]
            assert colour == [frame.number < 4, frame.number >= 8]
    assert list(tmp_path.iterdir()) == [tmp_path / "shown.mp4"]


def test_the_video_that_is_shown_plays_as_fast_as_life(run, gallery, clip, tmp_path):
    assert run("watch", gallery, clip, "--every", "0.5", "--draw", tmp_path / "shown.mp4")[0] == 0
    assert [frame.seconds for frame in all_frames(tmp_path / "shown.mp4")] == [0, 0.5, 1, 1.5, 2, 2.5]
    with write_video(tmp_path / "slow camera.mp4", 10) as writer:
        for colour, seconds in (("red", 7.0), ("lime", 7.1), ("blue", 8.0)):
            writer.add(Image.new("RGB", (64, 48), colour), seconds)
    frames = all_frames(tmp_path / "slow camera.mp4")
    assert [frame.pixels[24, 32].argmax() for frame in frames] == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]


def test_where_the_disk_is_full_the_old_video_stays(tmp_path):
    (tmp_path / "shown.mp4").write_bytes(b"old")
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from PIL import Image
from facesim.gallery.video import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
with write_video(Path(sys.argv[1]), 10) as writer:
    for i in range(30):
        noise = np.random.default_rng(i).integers(0, 256, (240, 320, 3), np.uint8)
        writer.add(Image.fromarray(noise), i / 10)
"""
    command = [sys.executable, "-c", program, tmp_path / "shown.mp4"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert "shown.mp4 cannot be written: is the disk full?" in ended.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_where_nothing_can_be_shown_that_is_said_before_the_work(tmp_path, clip, refuses):
    shutil.copy(clip, tmp_path / "clip.mp4")
    for path in ("shown.avi", "gone/shown.mp4", "clip.mp4"):
        with refuses(tmp_path / path):
            check_video_path(tmp_path / path, str(tmp_path / "clip.mp4"))
    with refuses(tmp_path / "shown.mp4"), write_video(tmp_path / "shown.mp4", 10):
        pass  # no picture
    assert list(tmp_path.iterdir()) == [tmp_path / "clip.mp4"]


def test_a_video_that_ends_early_counts_as_far_as_it_goes(run, gallery, cut_short, tmp_path):
    status, printed, complaint = run("watch", gallery, cut_short, "--json", "--draw", tmp_path / "shown.mp4")
    assert status == 2
    assert {line["faces"][0]["name"] for line in lines_of(printed)} == {"Grace Hopper"}
    assert f"{cut_short} ends after" in complaint
    assert len(all_frames(tmp_path / "shown.mp4")) == len(lines_of(printed)) > 0


def test_from_python_that_is_an_error_after_the_last_frame(cut_short, refuses):
    with Video(cut_short) as video:
        frames = video.frames()
        assert next(frames).number == 0
        with refuses(cut_short, CutShortError):
            list(frames)


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "text", "photo", "cut off", "no frame", "huge"])
def test_what_is_no_video_is_refused(kind, tmp_path, clip, hopper, nobody, refuses):
    path = tmp_path / "bad video.mp4"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "empty":
            path.touch()
        case "text":
            path.write_text("Dear reader, this is a letter.\n" * 100)
        case "photo":
            shutil.copy(hopper, path)
        case "cut off":
            path.write_bytes(clip.read_bytes()[:-500])  # with it, the list of what lies where
        case "no frame":
            data = write_frames(tmp_path / "three.avi", [nobody] * 3, "MJPG").read_bytes()
            path.write_bytes(data[: data.index(b"movi") + 4])
        case "huge":
            path = write_frames(tmp_path / "huge.avi", [nobody.resize((8000, 4600))], "MJPG")
    with refuses(path):
        all_frames(path)


def test_there_is_no_such_camera():
    with pytest.raises(FaceSimError, match="camera 97 cannot be opened"):
        Video("97")


def test_trouble_is_one_sentence_on_stderr(begun, tmp_path, clip, cut_short):
    (tmp_path / "cut off.mp4").write_bytes(clip.read_bytes()[:-500])
    for process in [begun(source) for source in (tmp_path / "cut off.mp4", cut_short, "97")]:
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 2
        *notes, complaint = complaint.splitlines()
        assert complaint.startswith("facesim: ")
        assert all(note.startswith("facesim: threshold 0.4353") for note in notes)
        assert len(notes) <= 1


@pytest.mark.parametrize(
    "name", [b"0.mp4", b"noext", b"Zo\xc3\xab.mp4", b"\xff\xfe.mp4", b"a\nb.mp4", b"img%03d.mp4", b"http:a.mp4", b"7"]
)
def test_a_file_may_have_any_name(name, tmp_path, clip, nobody, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(name)
    shutil.copy(clip, name)
    assert len(all_frames(f"./{name}" if name == "7" else name)) == 12
    if name.endswith(".mp4"):
        with write_video(Path(name), RATE) as writer:
            writer.add(nobody, 0)
        assert len(all_frames(name)) == 1
    assert os.listdir() == [name]


@pytest.fixture
def asked():
    """What a server on this machine was asked for, and its address."""
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield asked, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


PLAYLISTS = {  # that OpenCV follows
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}/part.ts\n#EXT-X-ENDLIST\n",
    "clip.mp4": "ffconcat version 1.0\nfile other.mp4\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_leads_nowhere(name, asked, tmp_path, clip, refuses, monkeypatch):
    requests, address = asked
    anything = "protocol_whitelist;file,http,tcp,crypto,data"
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", anything)
    shutil.copy(clip, tmp_path / "other.mp4")
    (tmp_path / name).write_text(PLAYLISTS[name].format(address=address))
    followed = cv2.VideoCapture(str(tmp_path / name), cv2.CAP_FFMPEG).isOpened()
    assert followed or requests
    requests.clear()
    with refuses(tmp_path / name):
        Video(tmp_path / name)
    assert requests == []
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == anything


def test_an_address_is_no_source(asked):
    requests, address = asked
    with pytest.raises(FaceSimError, match="does not exist"):
        Video(f"{address}/clip.mp4")
    assert requests == []


def test_lines_come_at_once_and_a_files_watch_that_is_interrupted_is_trouble(begun, tmp_path, grace):
    long = write_frames(tmp_path / "long.mp4", [grace] * 2000)
    process = begun(long, "--json", "--draw", tmp_path / "shown.mp4")
    assert json.loads(process.stdout.readline())["faces"][0]["name"] == "Grace Hopper"
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaint.strip() == "facesim: interrupted."
    assert list(tmp_path.iterdir()) == [long]


class Camera:
    """A stand-in for a camera: it films 20 pictures a second, looked at or not, and hands them over in their order."""

    rate = 20

    def __init__(self, pictures, ending=None):
        self.pictures, self.ending = pictures, ending
        self.given, self.waiting, self.released = 0, [], False
        self.began = time.monotonic()

    def isOpened(self):  # noqa: N802
        return True

    def get(self, what):
        sides = {cv2.CAP_PROP_FRAME_WIDTH: SIZE[0], cv2.CAP_PROP_FRAME_HEIGHT: SIZE[1], cv2.CAP_PROP_FPS: self.rate}
        return sides.get(what, -1)

    def filmed(self) -> int:
        return int((time.monotonic() - self.began) * self.rate)

    def grab(self):
        if self.given == len(self.pictures):
            if self.ending:
                raise self.ending
            return False
        while self.filmed() <= self.given:
            time.sleep(0.005)
        self.given += 1
        return True

    def retrieve(self):
        self.waiting.append(self.filmed() - self.given)
        return True, np.asarray(self.pictures[self.given - 1])[:, :, ::-1]

    def release(self):
        self.released = True


@pytest.fixture
def camera(monkeypatch):
    """Connects a camera with number 0."""

    def connect(*about):
        camera, capture = Camera(*about), cv2.VideoCapture
        monkeypatch.setattr(cv2, "VideoCapture", lambda *source: camera if source == (0,) else capture(*source))
        return camera

    return connect


def test_of_a_camera_that_films_faster_than_one_looks_the_latest_frame_counts(camera, nobody):
    filming = camera([nobody] * 40)
    with Video("0") as video:
        assert 5 <= len(frames_of(video, pause=0.2)) <= 11  # a pause takes four pictures
    assert max(filming.waiting) <= 1
    assert filming.released


def test_a_cameras_frames_are_so_many_seconds_apart(camera, nobody):
    camera([nobody] * 30)
    with Video("0") as video:
        seconds = [frame.seconds for frame in frames_of(video, every=0.4)]
    assert 3 <= len(seconds) <= 4
    assert np.diff(seconds).min() >= 0.399


@pytest.mark.parametrize(("ending", "outcome"), [(KeyboardInterrupt(), 0), (None, 2)])
def test_a_cameras_watch_ends_in_order(run, gallery, camera, grace, tmp_path, ending, outcome):
    filming = camera([grace] * 60, ending)  # long enough that the first is seen on a busy machine, too
    status, printed, complaint = run("watch", gallery, "0", "--json", "--draw", tmp_path / "shown.mp4")
    assert status == outcome
    assert complaint == ("facesim: camera 0 gives no more pictures: is it still connected?\n" if outcome else "")
    assert {seen["name"] for line in lines_of(printed) for seen in line["faces"]} == {"Grace Hopper"}
    assert lines_of(printed)[0]["faces"][0]["photo"] == "camera 0"
    assert len(all_frames(tmp_path / "shown.mp4")) >= len(lines_of(printed)) > 0
    assert filming.released


def test_what_may_pass_for_somebody_is_said_as_identify_says_it(run, gallery, clip, monkeypatch):
    monkeypatch.setattr("facesim.gallery.identify.Identifier.strangers_named", lambda _: 0.5)
    assert "about 50 % of strangers are" in run("watch", gallery, clip, "--every", "9")[2]
    assert "strangers" not in run("watch", gallery, clip, "--every", "9", "--fmr", "0.01")[2]
    assert run("watch", gallery, clip, "--fmr", "0.01", "-t", "0.3")[0] == 2
