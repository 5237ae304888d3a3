import os
import unicodedata

import pytest

from facesim.data.dataset import join_datasets, read_folder, read_photos
from facesim.errors import FaceSimError

# the folders hold what is passed over, as real ones do
pytestmark = pytest.mark.filterwarnings("ignore::facesim.errors.FaceSimWarning")


@pytest.fixture
def photos(tmp_path):
    for name in ("pins_Ana B/1.jpg", "pins_Ana B/ü 2.JPEG", "bo/1.png", "bo/notes.txt", ".hidden/1.jpg", "loose.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_photos_belong_to_the_folder_they_lie_in(photos):
    dataset = read_folder(photos)
    assert dataset.photos == ("bo/1.png", "pins_Ana B/1.jpg", "pins_Ana B/ü 2.JPEG")
    assert dataset.identities.tolist() == ["bo", "Ana_B", "Ana_B"]


def test_photos_may_lie_in_the_folder_itself_their_identity_unknown(photos):
    dataset = read_photos(photos)
    assert dataset.photos == ("bo/1.png", "loose.jpg", "pins_Ana B/1.jpg", "pins_Ana B/ü 2.JPEG")
    assert dataset.identities.tolist() == ["bo", "", "Ana_B", "Ana_B"]
    assert [path.read_bytes().decode() for path in dataset.paths()] == list(dataset.photos)
    alone = read_photos(photos / "bo")
    assert (alone.name, alone.photos, alone.identities.tolist()) == ("bo", ("1.png",), [""])


def test_a_folder_without_photos_is_refused_by_name(tmp_path, refuses):
    (tmp_path / "notes.txt").touch()
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "notes.txt"):
        with refuses(path):
            read_photos(path)


def test_the_fingerprint_knows_the_photos_and_nothing_else(photos):
    before = read_folder(photos).fingerprint()
    (photos / "bo" / "notes.txt").write_text("more")
    assert read_folder(photos, "another name").fingerprint() == before
    (photos / "bo" / "1.png").write_bytes(b"changed")
    assert read_folder(photos).fingerprint() != before


def test_the_fingerprint_of_an_ordinary_folder_stays(photos):
    kept = "a8c4b1138b59fd06d9dc8eeac8f649dd0993e9d0330fe3d029c9f6a8a97eafe9"  # crops cached under it are found again
    assert read_folder(photos).fingerprint() == kept


def test_a_photo_that_cannot_be_read_ends_nothing(photos):
    before = read_folder(photos).fingerprint()
    (photos / "bo" / "2.jpg").symlink_to(photos / "nowhere.jpg")
    os.mkfifo(photos / "bo" / "3.jpg")
    dataset = read_folder(photos)
    assert dataset.photos[:2] == ("bo/1.png", "bo/2.jpg")
    without = dataset.fingerprint()
    assert without != before
    (photos / "nowhere.jpg").write_bytes(b"found again")
    assert dataset.fingerprint() != without


def test_deeper_photos_are_of_the_folder_they_lie_in(photos):
    for place in ("2023/Ana B", "2024/Ana_B", "2024/x/Cy"):
        (photos / place).mkdir(parents=True)
        (photos / place / "9.jpg").touch()
    dataset = read_folder(photos)
    assert dataset.identities.tolist() == ["Ana_B", "Ana_B", "Cy", "bo", "Ana_B", "Ana_B"]
    assert dataset.photos[2] == "2024/x/Cy/9.jpg"


def test_one_name_is_one_person_however_it_is_spelled(tmp_path):
    names = ["Zoë Li", unicodedata.normalize("NFD", "Zoë_Li"), "zoë li ", "pins_ZOË Li", "Bo"]
    for i, name in enumerate(names):
        (tmp_path / str(i) / name).mkdir(parents=True)
        (tmp_path / str(i) / name / "1.jpg").touch()
    assert read_folder(tmp_path).identities.tolist() == ["Zoë_Li"] * 4 + ["Bo"]
    joined = join_datasets([read_photos(tmp_path / "2", "two"), *(read_folder(tmp_path) for _ in range(2))])
    assert set(joined.identities.tolist()) == {"zoë_li", "Bo"}


def test_a_folder_without_identities_is_refused_by_name(tmp_path):
    (tmp_path / "ana").mkdir()
    (tmp_path / "ana" / "1.jpg").touch()
    with pytest.raises(FaceSimError, match="fewer than two sub-folders"):
        read_folder(tmp_path)
    with pytest.raises(FaceSimError, match="not a folder"):
        read_folder(tmp_path / "nowhere")
