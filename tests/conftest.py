"""What several tests share: photos, the model that ships, and files that must be refused."""

import contextlib
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image, ImageOps

from facesim.cli import main
from facesim.detector.selection import find_main_face
from facesim.errors import FaceSimError
from facesim.model import Model
from facesim.model_info import info_to_metadata
from facesim.verifier import Verifier

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of data sets; what needs it is skipped where it is missing."""
    folder = Path(os.environ.get("FACESIM_DATA", REPOSITORY / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}: name their folder in FACESIM_DATA")
    return folder


@pytest.fixture(scope="session")
def lfw(data_home) -> Path:
    """LFW's photos, a folder per person."""
    folder = data_home / "lfw"
    if not folder.is_dir():
        pytest.skip(f"no LFW in {data_home}")
    return folder


@pytest.fixture(scope="session")
def copy_people(lfw, tmp_path_factory):
    """Copies `count` of LFW's people who have `photos` photos or more, so many of each, to a folder of their own."""

    def copy(count: int, photos: int) -> Path:
        root = tmp_path_factory.mktemp("people")
        rich = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) >= photos]
        for folder in rich[:count]:
            (root / folder.name).mkdir()
            for photo in sorted(folder.iterdir())[:photos]:
                shutil.copy(photo, root / folder.name)
        return root

    return copy


@pytest.fixture
def lfw_by_name(lfw, data_home, monkeypatch) -> Path:
    """LFW's photos, where facesim itself looks for `lfw`."""
    monkeypatch.setenv("FACESIM_DATA", str(data_home))
    return lfw


@pytest.fixture(scope="session")
def hopper() -> Path:
    """A portrait of Grace Hopper (US Navy, public domain), 512×600."""
    return REPOSITORY / "examples" / "grace_hopper.jpg"


@pytest.fixture(scope="session")
def collins() -> Path:
    """A portrait of Eileen Collins (NASA, public domain), 340×340."""
    return REPOSITORY / "examples" / "eileen_collins.jpg"


@pytest.fixture(scope="session")
def model() -> Model:
    """The model that ships."""
    return Model()


@pytest.fixture(scope="session")
def verifier(model) -> Verifier:
    return Verifier(model)


@pytest.fixture(scope="session")
def crops(hopper, collins) -> np.ndarray:
    """Two faces, and their mirror images: (4, 160, 160, 3) uint8."""
    faces = [find_main_face(path)[1] for path in (hopper, collins)]
    return np.stack([*faces, *(face[:, ::-1] for face in faces)])


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium: Playwright's own, or one that is installed; what needs it is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        own = started.chromium.executable_path
        names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        path = own if os.path.exists(own) else next(filter(None, map(shutil.which, names)), None)
        if path is None:
            pytest.skip("no Chromium: playwright install chromium")
        unguarded = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # root has no sandbox
        browser = started.chromium.launch(executable_path=path, args=unguarded)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def refuses():
    """`with refuses(path):` asks for a FaceSimError that is one sentence and names the path."""

    @contextlib.contextmanager
    def refuses(path, error=FaceSimError):
        with pytest.raises(error) as caught:
            yield caught
        message = str(caught.value)
        assert str(path) in message
        assert message.endswith(".")
        assert "\n" not in message

    return refuses


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def _spoil(path: Path, kind: str) -> None:
    """Make of `path` what is neither photo nor model file; other kinds than these are left to the caller."""
    match kind:
        case "folder":
            path.mkdir()
        case "empty":
            path.touch()
        case "text":
            path.write_text("Dear reader, this is a letter.\n" * 100)


@pytest.fixture(params=["missing", "folder", "empty", "text", "postscript", "truncated", "50,000×50,000", "pipe"])
def broken_photo(request, tmp_path, hopper) -> Path:
    """A path that is no whole photo, in each way that one can fail to be."""
    path = tmp_path / "broken photo.jpg"
    _spoil(path, request.param)
    match request.param:
        case "postscript":
            path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n")
        case "truncated":
            path.write_bytes(hopper.read_bytes()[:20_000])
        case "50,000×50,000":
            path = tmp_path / "huge.png"
            path.write_bytes(_png_header(50_000, 50_000))
        case "pipe":
            os.mkfifo(path)
    return path


@pytest.fixture
def faceless(tmp_path) -> Path:
    """A photo of nobody."""
    path = tmp_path / "wall.png"
    Image.new("RGB", (200, 200), "grey").save(path)
    return path


@pytest.fixture
def crowd(tmp_path, hopper) -> Path:
    """A photo that shows Grace Hopper twice."""
    photo = Image.open(hopper)
    both = Image.new("RGB", (2 * photo.width, photo.height))
    both.paste(photo, (0, 0))
    both.paste(ImageOps.mirror(photo), (photo.width, 0))
    both.save(tmp_path / "crowd.png")
    return tmp_path / "crowd.png"


@pytest.fixture
def both(tmp_path, hopper, collins):
    """A photo, 852×600, of Grace Hopper on the left and Eileen Collins, smaller, on the right."""
    photo = Image.new("RGB", (852, 600))
    photo.paste(Image.open(hopper), (0, 0))
    photo.paste(Image.open(collins), (512, 0))
    photo.save(tmp_path / "both.png")
    return tmp_path / "both.png"


@pytest.fixture
def own_folders(tmp_path, tmp_path_factory, monkeypatch):
    """Work in a folder of its own, `here`, and keep crops away from the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def run(capfd):
    """Runs `facesim` with arguments: its exit status, and what reaches stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return ended.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def write_model(tmp_path, model):
    """Writes a model file: a tiny network and the shipped model's metadata, except for what is passed.

    A field is passed as the JSON text to store; None leaves it out.
    """

    def write(name="model.onnx", size=160, averaged=(1, 2), **fields) -> Path:
        steps = [
            helper.make_node("Cast", ["crops"], ["pixels"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["colours"], axes=averaged, keepdims=0),
            helper.make_node("LpNormalization", ["colours"], ["embeddings"], axis=1, p=2),
        ]
        crops = helper.make_tensor_value_info("crops", onnx.TensorProto.UINT8, ["n", size, size, 3])
        embeddings = helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, None)
        graph = helper.make_graph(steps, "mean colour", [crops], [embeddings])
        file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        stored = info_to_metadata(model.info) | {f"facesim.{field}": text for field, text in fields.items()}
        helper.set_model_props(file, {key: text for key, text in stored.items() if text is not None})
        onnx.save(file, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture(params=["missing", "folder", "empty", "text", "random bytes", "truncated", "no threshold"])
def broken_model(request, tmp_path, model, write_model) -> Path:
    """A path that is no whole model file, in each way that one can fail to be."""
    path = tmp_path / "broken model.onnx"
    _spoil(path, request.param)
    match request.param:
        case "random bytes":
            path.write_bytes(np.random.default_rng(0).bytes(10_000))
        case "truncated":
            path.write_bytes(model.path.read_bytes()[: model.path.stat().st_size // 2])
        case "no threshold":
            write_model(path.name, threshold=None)
    return path
