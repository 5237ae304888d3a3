import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from facesim.data.dataset import read_folder
from facesim.data.lfw import download_photos, find_lfw, read_folds
from facesim.errors import FaceSimError


def archive_of(*members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue()


@pytest.fixture
def serve(tmp_path_factory):
    """Serve bytes as file 1 on this machine; gives the address and what to expect of the file."""
    root = tmp_path_factory.mktemp("server")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(root), **kwargs)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def offer(content):
            (root / "1").write_bytes(content)
            return f"http://127.0.0.1:{server.server_port}", ("1", hashlib.sha256(content).hexdigest())

        yield offer
        server.shutdown()


def test_photos_are_downloaded_checked_and_unpacked(serve, tmp_path):
    source, file = serve(archive_of(("lfw/Ana/Ana_0001.jpg", b"a"), ("lfw/Bo/Bo_0001.jpg", b"b")))
    assert download_photos(tmp_path / "home", source, file) == tmp_path / "home" / "lfw"
    assert read_folder(tmp_path / "home" / "lfw").identities.tolist() == ["Ana", "Bo"]
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["lfw"]


def test_a_wrong_checksum_is_refused(serve, tmp_path):
    source, (number, _) = serve(archive_of(("lfw/Ana/Ana_0001.jpg", b"a")))
    with pytest.raises(FaceSimError, match=r"lfw\.tgz could not be downloaded"):
        download_photos(tmp_path, source, (number, "0" * 64))
    assert not (tmp_path / "lfw").exists()


@pytest.mark.parametrize("name", ["../outside.jpg", "lfw/../../outside.jpg"])
def test_an_archive_that_climbs_out_of_its_folder_is_refused(serve, tmp_path, name):
    source, file = serve(archive_of(("lfw/Ana/Ana_0001.jpg", b"a"), (name, b"evil")))
    home = tmp_path / "home"
    with pytest.raises(FaceSimError, match="cannot be unpacked"):
        download_photos(home, source, file)
    assert not (home / "lfw").exists()
    assert not list(tmp_path.rglob("outside.jpg"))


def member(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("/outside.jpg", tarfile.REGTYPE),
        member("lfw/link", tarfile.SYMTYPE, "../../.."),
        member("lfw/link", tarfile.SYMTYPE, "/etc"),
        member("lfw/hard.jpg", tarfile.LNKTYPE, "../../outside.jpg"),
        member("lfw/pipe.jpg", tarfile.FIFOTYPE),
        member("lfw/disk.jpg", tarfile.BLKTYPE),
        member("lfw/tty.jpg", tarfile.CHRTYPE),
        member("lfw/inside.jpg", tarfile.SYMTYPE, "Ana/Ana_0001.jpg"),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_an_archive_that_holds_more_than_files_and_folders_is_refused(serve, tmp_path, evil):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        tar.addfile(evil)
    source, file = serve(content.getvalue())
    with pytest.raises(FaceSimError, match=r"lfw\.tgz cannot be unpacked.*delete it"):
        download_photos(tmp_path / "home", source, file)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["lfw.tgz"]


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_does(serve, tmp_path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as tar:
        for i in range(3):
            info = tarfile.TarInfo(f"lfw/Ana/Ana_000{i}.jpg")
            info.size = 2**20
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    source, file = serve(content.getvalue())
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr("facesim.data.lfw.MAX_ARCHIVE", 2 * 2**20)
        with pytest.raises(FaceSimError, match="unpacks to over"):
            download_photos(tmp_path / "home", source, file)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["lfw.tgz"]


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_an_archive_cut_short_is_refused(serve, tmp_path, kept):
    content = archive_of(*((f"lfw/Ana/Ana_{i:04}.jpg", bytes([i]) * 5000) for i in range(20)))
    source, file = serve(content[: int(kept * len(content))])
    with pytest.raises(FaceSimError, match="cannot be unpacked"):
        download_photos(tmp_path / "home", source, file)
    assert not (tmp_path / "home" / "lfw").exists()


def test_no_archive_at_all_is_refused(serve, tmp_path):
    source, file = serve(b"<html>not found</html>")
    with pytest.raises(FaceSimError, match="cannot be unpacked"):
        download_photos(tmp_path, source, file)


def test_without_a_network_the_error_says_what_to_do(tmp_path):
    with pytest.raises(FaceSimError, match="FACESIM_DATA"):
        download_photos(tmp_path, "http://127.0.0.1:9")


@pytest.fixture
def three_photos(tmp_path):
    """Two photos of Ana and one of Bo, in the folder of the test."""
    for photo in ("Ana/Ana_0001.jpg", "Ana/Ana_0002.jpg", "Bo/Bo_0001.jpg"):
        (tmp_path / photo).parent.mkdir(exist_ok=True)
        (tmp_path / photo).touch()


@pytest.mark.usefixtures("three_photos")
@pytest.mark.filterwarnings("ignore::facesim.errors.FaceSimWarning")
def test_folds_read_both_kinds_of_line(tmp_path):
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("2\t1\nAna\t1\t2\nAna\t2\tBo\t1\nAna\t2\t1\nBo\t1\tAna\t1\n")
    one, two = read_folds(pairs, read_folder(tmp_path))
    assert (one.first.tolist(), one.second.tolist(), one.same.tolist()) == ([0, 1], [1, 2], [True, False])
    assert (two.first.tolist(), two.second.tolist(), two.same.tolist()) == ([1, 2], [0, 0], [True, False])
    pairs.write_text("2\t1\nAna\t1\t7\n")
    with pytest.raises(FaceSimError, match="not LFW's list of pairs"):
        read_folds(pairs, read_folder(tmp_path))


@pytest.mark.usefixtures("three_photos")
@pytest.mark.filterwarnings("ignore::facesim.errors.FaceSimWarning")
def test_view_1s_list_is_one_fold(tmp_path):
    pairs = tmp_path / "pairsDevTest.txt"
    pairs.write_text("1\nAna\t1\t2\nAna\t2\tBo\t1\n")
    (only,) = read_folds(pairs, read_folder(tmp_path))
    assert (only.first.tolist(), only.second.tolist(), only.same.tolist()) == ([0, 1], [1, 2], [True, False])


def test_lfw_is_found_where_it_lies(data_home):
    dataset, folds = find_lfw(data_home)
    assert (len(dataset.photos), len(set(dataset.identities.tolist())), len(folds)) == (13233, 5749, 10)
