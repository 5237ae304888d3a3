"""Hypothesis makes up histories of a gallery; after each step it holds what a plain list of rows says it should.

A sample of some seconds; in full, some ten minutes on two cores:

    FACESIM_HISTORIES=300 python -m pytest tests/gallery/test_machines.py
"""

import contextlib
import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from PIL import Image

from facesim.errors import FaceSimError
from facesim.gallery import embed
from facesim.gallery import enrol as enrolment
from facesim.gallery.embed import embed_locally, pending_photos
from facesim.gallery.enrol import enrol
from facesim.gallery.forget import Removed, forget, forget_all, forget_photo, forget_unnamed
from facesim.gallery.rename import rename
from facesim.gallery.store import open_gallery, open_or_create_gallery
from facesim.gallery.version import content_digest
from facesim.model import Model
from facesim.verifier import Verifier

HISTORIES = int(os.environ.get("FACESIM_HISTORIES", 10))
STEPS = 30  # of each, at most
EXAMPLES = Path(__file__).parents[2] / "examples"
SIZE = 100_000  # bytes of each photo: replaced by another, it keeps its size
PHOTOS = tuple(f"{letter}.png" for letter in "abcd")
NAMES = ("Ana", "Ben", "Zoë O'Neil")
photos, names = st.sampled_from(PHOTOS), st.sampled_from(NAMES)
some_photos = st.lists(photos, min_size=1, max_size=3, unique=True)


class Row(NamedTuple):
    """A row as it should be: of which photo, of what content then, under which name, and which of its faces."""

    photo: str
    content: str
    name: str | None
    face: int | None  # None: there is none


class Remembering(Verifier):
    """Embeds a photo as any verifier does, but each content only once."""

    def __init__(self, model):
        super().__init__(model)
        self.known = {}

    def embed_faces(self, photo, selection="largest", box=None, quick=False):
        key = content_digest(photo), selection
        if key[0] is None:
            return super().embed_faces(photo, selection)
        if key not in self.known:
            try:
                self.known[key] = super().embed_faces(photo, selection)
            except FaceSimError as error:
                self.known[key] = error
        if isinstance(self.known[key], FaceSimError):
            raise type(self.known[key])(str(self.known[key]))
        return self.known[key]


def contents() -> dict[str, bytes]:
    """Return what a photo may hold: one person, another, both, nobody, or no picture; all of one size."""
    people = [
        Image.open(EXAMPLES / f"{name}.jpg").convert("RGB").resize((140, 160))
        for name in ("grace_hopper", "eileen_collins")
    ]
    both = Image.new("RGB", (280, 160))
    for place, person in enumerate(people):
        both.paste(person, (140 * place, 0))
    pictures = {"grace": people[0], "eileen": people[1], "both": both, "wall": Image.new("RGB", (100, 100), "grey")}
    made = {"letter": b"Dear reader"}
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in pictures.items():
            picture.save(f"{folder}/a.png")
            made[name] = Path(f"{folder}/a.png").read_bytes()
    return {name: data.ljust(SIZE, b"\0") for name, data in made.items()}


@functools.cache
def world():
    """Return a verifier, what photos may hold, the embeddings of their faces, the main one first, and their digests."""
    verifier, held, embeddings, digests = Remembering(Model()), contents(), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        for content, data in held.items():
            path.write_bytes(data)
            digests[content] = content_digest(str(path))
            try:
                main, every = (verifier.embed_faces(str(path), faces).embeddings for faces in ("largest", "all"))
            except FaceSimError:
                embeddings[content] = []
                continue
            others = [face.tobytes() for face in every if face.tobytes() != main[0].tobytes()]
            embeddings[content] = [main[0].tobytes(), *others]
    assert [len(embeddings[content]) for content in ("grace", "eileen", "both", "wall", "letter")] == [1, 1, 2, 0, 0]
    return verifier, held, embeddings, digests


def enrol_all(gallery, verifier, people) -> None:
    for _ in enrol(gallery, verifier, people):
        pass


def embed_all(gallery, verifier, paths) -> None:
    for _ in embed_locally(gallery, verifier, pending_photos(gallery, paths)):
        pass


DOES = {
    "enrol": lambda gallery, verifier, *people: enrol_all(gallery, verifier, people),
    "embed": lambda gallery, verifier, *paths: embed_all(gallery, verifier, paths),
    "rename": lambda gallery, verifier, name, new: rename(gallery, name, new, merge=True),
    "forget": lambda gallery, verifier, name: forget(gallery, name),
    "forget_photo": lambda gallery, verifier, path: forget_photo(gallery, path),
    "forget_unnamed": lambda gallery, verifier: forget_unnamed(gallery),
    "forget_all": lambda gallery, verifier: forget_all(gallery),
}


class Histories(RuleBasedStateMachine):
    """People are enrolled, photos embedded, names changed and forgotten; somebody else has the gallery open as well."""

    @initialize(held=st.lists(st.sampled_from(["grace", "eileen", "both", "wall", "letter"]), min_size=4, max_size=4))
    def begin(self, held):
        self.verifier, self.contents, self.embeddings, self.digests = world()
        self.root = Path(tempfile.mkdtemp(prefix="facesim-machine-"))
        self.folder = self.root / "photos"
        self.folder.mkdir()
        self.address = str(self.root / "gallery")
        self.gallery = self.other = open_or_create_gallery(self.address, self.verifier.model)
        self.rows: list[Row] = []
        self.now: dict[str, str] = {}
        for photo, content in zip(PHOTOS, held, strict=True):
            self.write(photo, content)

    def teardown(self):
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def path(self, photo: str) -> str:
        return str(self.folder / photo)

    def write(self, photo: str, content: str) -> None:
        """Write a photo as `cp -p` does, in place, with a time of modification and a size that tell nothing."""
        Path(self.path(photo)).write_bytes(self.contents[content])
        os.utime(self.path(photo), (1, 1))
        self.now[photo] = content

    def after_enrol(self, *people) -> list[Row]:
        rows = list(self.rows)
        known = [row for row in rows if row.name is not None]
        for path, name in people:
            photo = os.path.basename(path)
            content, theirs = self.now.get(photo), [row for row in known if row.photo == photo]
            theirs = [row for row in theirs if row.name == name] or theirs
            if all(row.content != content for row in theirs) and self.embeddings.get(content):
                rows = [row for row in rows if (row.photo, row.name) != (photo, name)]
                rows.append(Row(photo, content, name, 0))
        return rows

    def after_embed(self, *paths) -> list[Row]:
        rows = list(self.rows)
        for photo in map(os.path.basename, paths):
            content, theirs = self.now.get(photo), [row for row in rows if row.photo == photo]
            theirs = [row for row in theirs if row.name is None] or theirs
            if content in (None, "letter") or any(row.content == content for row in theirs):
                continue
            rows = [row for row in rows if (row.photo, row.name) != (photo, None)]
            rows += [Row(photo, content, None, face) for face in range(len(self.embeddings[content])) or (None,)]
        return rows

    def after_rename(self, name, new) -> list[Row]:
        return [row._replace(name=new) if row.name == name else row for row in self.rows]

    def after_forget(self, name) -> list[Row]:
        theirs = {(row.content, row.face) for row in self.rows if row.name == name}
        return [row for row in self.rows if row.name != name and (row.name or (row.content, row.face) not in theirs)]

    def after_forget_photo(self, path) -> list[Row]:
        return [row for row in self.rows if row.photo != os.path.basename(path)]

    def after_forget_unnamed(self) -> list[Row]:
        return [row for row in self.rows if row.name is not None or row.face is None]

    def after_forget_all(self) -> list[Row]:
        return []

    def do(self, what: str, *arguments) -> None:
        """Do something to the gallery; where it forgets, see that no file has what no row has."""
        expected = getattr(self, f"after_{what}")(*arguments)
        removed = Counter(self.rows) - Counter(expected)
        refused = None
        try:
            done = DOES[what](self.gallery, self.verifier, *arguments)
        except FaceSimError as error:
            refused = str(error)
        if what.startswith("forget"):
            assert bool(refused) == (not removed), refused
            faces = sum(row.face is not None for row in removed.elements())
            assert refused or done == Removed(faces, len({row.photo for row in removed}))
            self.rows = expected
            self.see_that_it_is_gone()
        elif what == "rename":
            assert bool(refused) == all(row.name != arguments[0] for row in self.rows), refused
        else:
            assert not refused
        self.rows = expected

    def see_that_it_is_gone(self) -> None:
        kept = {self.embeddings[row.content][row.face] for row in self.rows if row.face is not None}
        files = [path.read_bytes() for path in Path(self.address).rglob("*") if path.is_file()]
        for face in {face for faces in self.embeddings.values() for face in faces} - kept:
            assert not any(face in data for data in files)

    @rule(some=some_photos, name=names)
    def enrol(self, some, name):
        self.do("enrol", *((self.path(photo), name) for photo in some))

    @rule(some=some_photos)
    def embed(self, some):
        self.do("embed", *map(self.path, some))

    @rule(name=names, new=names)
    def rename_or_merge(self, name, new):
        self.do("rename", name, new)

    @rule(name=names)
    def forget(self, name):
        self.do("forget", name)

    @rule(photo=photos)
    def forget_photo(self, photo):
        self.do("forget_photo", self.path(photo))

    @rule(what=st.sampled_from(["forget_unnamed", "forget_all"]))
    def forget_many(self, what):
        self.do(what)

    @rule()
    def change_places_with_somebody_who_had_it_open(self):
        self.gallery, self.other = self.other, self.gallery

    @rule()
    def open_again(self):
        self.gallery = open_gallery(self.address, self.verifier.model)

    def found(self, gallery) -> list[Row]:
        """Return what a gallery holds."""
        digests = {digest: content for content, digest in self.digests.items()}
        found = []
        for row in gallery.rows():
            content = digests[row.content]
            face = None if row.problem else self.embeddings[content].index(row.embedding.tobytes())
            found.append(Row(os.path.basename(row.photo), content, row.name, face))
        return found

    @invariant()
    def it_holds_what_it_should(self):
        if not hasattr(self, "rows"):
            return
        for gallery in (self.gallery, self.other):
            assert Counter(self.found(gallery)) == Counter(self.rows)
            assert gallery.names() == Counter(row.name for row in self.rows if row.name is not None)
        named = [row for row in self.rows if row.name is not None]
        for content in {row.content for row in named}:
            embedding = self.verifier.known[self.digests[content], "largest"].embeddings[0]
            nearest = self.other.nearest(embedding, len(named), named=True)
            alike = sum(self.embeddings[row.content][row.face] == embedding.tobytes() for row in named)
            assert len(nearest) == len(named)
            assert sum(match.distance < 1e-6 for match in nearest) == alike


class Killed(Histories):
    """Now and then another process does it, and is killed.

    Then a photo is as it was, or as it was to be, or without the faces that were to be replaced.
    """

    @rule(
        what=st.sampled_from(["enrol", "embed", "rename", "forget", "forget_photo", "forget_unnamed"]),
        some=some_photos,
        name=names,
        new=names,
        after=st.integers(0, 60),
    )
    def be_killed(self, what, some, name, new, after):
        paths = [self.path(photo) for photo in some]
        people = [(path, name) for path in paths]
        named = {"enrol": people, "embed": paths, "rename": [name, new], "forget": [name], "forget_photo": paths[:1]}
        arguments = named.get(what, [])
        expected = getattr(self, f"after_{what}")(*arguments)
        Helper.kill(self.address, what, arguments, after / 1000)
        self.gallery = open_gallery(self.address, self.verifier.model)
        found = self.found(self.gallery)
        if what in ("enrol", "embed"):
            replaced = name if what == "enrol" else None
            stripped = [row for row in self.rows if row.name != replaced]
            for photo in PHOTOS:
                seen, *allowed = (
                    Counter(row for row in rows if row.photo == photo)
                    for rows in (found, self.rows, expected, stripped)
                )
                assert seen in allowed
        else:
            assert Counter(found) in (Counter(self.rows), Counter(expected))
        self.rows = found

    @rule(photo=photos, content=st.sampled_from(["grace", "eileen", "both", "wall", "letter"]))
    def replace(self, photo, content):
        self.write(photo, content)


class Folder(Histories):
    """The folder of photos changes between runs."""

    @rule(photo=photos, content=st.sampled_from(["grace", "eileen", "both", "wall", "letter"]))
    def add_or_replace(self, photo, content):
        self.write(photo, content)

    @rule(photo=photos, content=st.sampled_from(["grace", "eileen", "both", "wall", "letter"]))
    def put_another_file_in_its_place(self, photo, content):
        self.write("new.png", content)
        os.replace(self.path("new.png"), self.path(photo))
        self.now[photo] = self.now.pop("new.png")

    @rule(photo=photos)
    def remove(self, photo):
        if self.now.pop(photo, None):
            os.remove(self.path(photo))

    @rule(photo=photos, other=photos)
    def move(self, photo, other):
        if photo in self.now:
            os.replace(self.path(photo), self.path(other))
            self.now[other] = self.now.pop(photo)

    @rule(photo=photos, seconds=st.integers(1, 3))
    def touch(self, photo, seconds):
        if photo in self.now:
            os.utime(self.path(photo), (seconds, seconds))

    @rule()
    def embed_the_folder_twice(self):
        paths = [self.path(photo) for photo in sorted(self.now)]
        self.do("embed", *paths)
        passed = []
        pending = list(pending_photos(self.gallery, paths, lambda: passed.append(1)))
        assert [os.path.basename(photo.path) for photo in pending] == [
            photo for photo in sorted(self.now) if self.now[photo] == "letter"
        ]
        assert len(passed) == len(paths) - len(pending)


class Helper:
    """A process that does something to a gallery when told to; another is started ahead for when it has been killed."""

    waiting: subprocess.Popen | None = None
    known = None  # a file of what `Remembering` knows, so that it need not embed all that again

    @classmethod
    def start(cls) -> subprocess.Popen:
        if cls.known is None:
            cls.known = tempfile.NamedTemporaryFile()  # noqa: SIM115
            pickle.dump(world()[0].known, cls.known)
            cls.known.flush()
        command = [sys.executable, __file__, cls.known.name]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def kill(cls, address, what, arguments, after) -> None:
        helper, cls.waiting = cls.waiting or cls.start(), None
        assert helper.stdout.readline() == "ready\n"
        helper.stdin.write(json.dumps([address, what, arguments]) + "\n")
        helper.stdin.flush()
        time.sleep(after)
        helper.kill()
        helper.communicate()
        cls.waiting = cls.start()

    @classmethod
    def end(cls) -> None:
        if cls.waiting:
            cls.waiting.kill()
            cls.waiting.communicate()
            cls.waiting = None


def serve() -> None:
    """Do what a line on stdin says, each photo committed alone."""
    enrolment.SECONDS_PER_WRITE = embed.SECONDS_PER_WRITE = 0
    verifier = Remembering(Model())
    verifier.known = pickle.loads(Path(sys.argv[1]).read_bytes())
    print("ready", flush=True)
    address, what, arguments = json.loads(sys.stdin.readline())
    gallery = open_gallery(address, verifier.model)
    with contextlib.suppress(FaceSimError):
        DOES[what](gallery, verifier, *arguments)
    time.sleep(1000)


@pytest.mark.parametrize(("machine", "histories"), [(Killed, HISTORIES // 5), (Folder, HISTORIES)])
def test_whatever_happens_a_gallery_holds_what_it_should(machine, histories):
    told = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=told)
    finally:
        Helper.end()


if __name__ == "__main__":
    serve()
