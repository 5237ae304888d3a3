"""Labeled Faces in the Wild (Huang et al. 2007): find or download it, and its ten official folds."""

import os
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pooch

from facesim.data.dataset import Dataset, read_folder
from facesim.data.pairs import Pairs, join_pairs
from facesim.data.split import Split
from facesim.errors import FaceSimError

# The copies that scikit-learn fetches, with their SHA-256.
SOURCE = "https://ndownloader.figshare.com/files"
PHOTOS = ("5976018", "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0")
PROTOCOL = {
    "pairs.txt": ("5976006", "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"),
    "pairsDevTrain.txt": ("5976012", "1d454dada7dfeca0e7eab6f65dc4e97a6312d44cf142207be28d688be92aabfa"),
    "pairsDevTest.txt": ("5976009", "7cb06600ea8b2814ac26e946201cdb304296262aad67d046a16a7ec85d0ff87c"),
}
MAX_ARCHIVE = 2**30  # bytes unpacked; LFW has 0.19 GB
MAX_MEMBERS = 100_000  # LFW has 18,983 files and folders

VALIDATION_FOLD = 7  # counted from 0
TEST_FOLDS = (8, 9)


def data_home() -> Path:
    """Return the folder that holds data sets: `FACESIM_DATA`, or the user's cache."""
    return Path(os.environ.get("FACESIM_DATA") or pooch.os_cache("facesim"))


def find_lfw(home: Path | None = None) -> tuple[Dataset, list[Pairs]]:
    """Return LFW and its ten folds of 600 pairs, downloading what is missing from `home` (`data_home()`).

    The photos are in `home/lfw`, the protocol in `home/lfw-protocol/pairs.txt`.
    """
    home = home or data_home()
    if not (home / "lfw").is_dir():
        download_photos(home)
    dataset = read_folder(home / "lfw", "lfw")
    return dataset, read_folds(_protocol("pairs.txt", home), dataset)


def find_view1(dataset: Dataset, home: Path | None = None) -> tuple[Pairs, Pairs]:
    """Return View 1's 2,200 pairs for development and its 1,000 for testing, downloading what is missing."""
    home = home or data_home()
    train, test = (read_folds(_protocol(f"pairsDev{part}.txt", home), dataset)[0] for part in ("Train", "Test"))
    return train, test


def _protocol(name: str, home: Path) -> Path:
    path = home / "lfw-protocol" / name
    return path if path.is_file() else _fetch(*PROTOCOL[name], path.parent, name)


def download_photos(home: Path, source: str = SOURCE, photos: tuple[str, str] = PHOTOS) -> Path:
    """Download the archive `photos` (file number, SHA-256) from `source` and unpack it to `home/lfw`.

    Raises FaceSimError if the network, the checksum or the archive is at fault; there is then no `home/lfw`.
    """
    archive = _fetch(*photos, home, "lfw.tgz", source)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        try:
            with tarfile.open(archive, "r:gz") as tar:
                length = 0
                for number, member in enumerate(tar):
                    length += member.size
                    if length > MAX_ARCHIVE or number >= MAX_MEMBERS:
                        raise FaceSimError(
                            f"{archive} unpacks to over {MAX_ARCHIVE >> 30} GB, or {MAX_MEMBERS:,} files: that is "
                            "not LFW."
                        )
                tar.extractall(scratch, filter=_files_and_folders)
            (Path(scratch) / "lfw").rename(home / "lfw")
        except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
            raise FaceSimError(f"{archive} cannot be unpacked ({error}): delete it and try again.") from error
    archive.unlink()
    return home / "lfw"


def _files_and_folders(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Refuse links, devices, and members outside the folder or with an absolute path."""
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    if member.name.startswith(("/", os.sep)):  # tarfile would take it as relative
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, folder)


def _fetch(number: str, sha256: str, folder: Path, name: str, source: str = SOURCE) -> Path:
    url = f"{source}/{number}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
        return Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=downloader))
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
        raise FaceSimError(
            f"{name} could not be downloaded from {url} ({type(error).__name__}). Check the network, or fetch it "
            f"by hand and unpack it to {folder}; FACESIM_DATA names another folder."
        ) from error


def read_folds(path: Path, dataset: Dataset) -> list[Pairs]:
    """Read LFW's lists of pairs: genuine lines are `name i j`, impostor lines `name i name j`.

    The first line of View 2's `pairs.txt` holds the number of folds, and of pairs of each kind in a fold; that of View
    1's two lists only the latter.
    """
    index = {photo: i for i, photo in enumerate(dataset.photos)}

    def photo(name: str, number: str) -> int:
        return index[f"{name}/{name}_{int(number):04d}.jpg"]

    try:
        header, *lines = path.read_text("utf-8").splitlines()
        *more, per_kind = map(int, header.split())
        folds = more[0] if more else 1
        pairs = []
        for line in lines:
            fields = line.split()
            if len(fields) == 3:
                fields.insert(2, fields[0])
            pairs.append((photo(*fields[:2]), photo(*fields[2:]), fields[0] == fields[2]))
        first, second, same = np.array(pairs).reshape(folds, 2 * per_kind, 3).transpose(2, 0, 1)
    except (ValueError, KeyError, TypeError) as error:
        raise FaceSimError(f"{path} is not LFW's list of pairs, or not that of {dataset.root} ({error}).") from error
    return [Pairs(first[fold], second[fold], same[fold].astype(bool)) for fold in range(folds)]


def lfw_split(dataset: Dataset, folds: Sequence[Pairs]) -> Split:
    """Choose the threshold on fold 8, test on folds 9 and 10, train on everybody who is in none of the three.

    Each of the 4,281 people in `pairs.txt` is in one fold; the other 1,468 are in no pair.
    """
    description = "LFW View 2: folds 1-7 and people in no fold to train, 8 to choose, 9-10 to test"
    return _holding_out(dataset, folds[VALIDATION_FOLD], join_pairs([folds[fold] for fold in TEST_FOLDS]), description)


def lfw_held_out(folds: Sequence[Pairs]) -> Split:
    """Choose the threshold on fold 8, test on folds 9 and 10, train on nobody."""
    test = join_pairs([folds[fold] for fold in TEST_FOLDS])
    return Split(np.empty(0, int), folds[VALIDATION_FOLD], test, "LFW View 2: fold 8 to choose, 9-10 to test")


def lfw_fold(dataset: Dataset, folds: Sequence[Pairs], fold: int) -> Split:
    """Test on fold `fold`, counted from 0, choose the threshold on the next, train on everybody who is in neither."""
    choosing = (fold + 1) % len(folds)
    description = f"LFW View 2: fold {fold + 1} to test, {choosing + 1} to choose, all others to train"
    return _holding_out(dataset, folds[choosing], folds[fold], description)


def _holding_out(dataset: Dataset, validation: Pairs, test: Pairs, description: str) -> Split:
    held = np.unique(dataset.identities[join_pairs([validation, test]).photos()])
    train = np.flatnonzero(~np.isin(dataset.identities, held))
    return Split(train, validation, test, description)
