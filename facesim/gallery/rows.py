"""What a gallery keeps of each face, and in which columns."""

import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facesim.detector.box import Box, Face
from facesim.errors import FaceSimError
from facesim.gallery.version import Version
from facesim.names import Spellings
from facesim.text import printable

if TYPE_CHECKING:
    import pyarrow as pa

    from facesim.model import Model

FORMAT_VERSION = "1"
MAX_NAME = 200  # characters
UPLOADED = "upload:"  # begins the path of a photo that was sent to `facesim serve`, and is on no disk
BOX = Box._fields
_FORMAT, _FINGERPRINT = b"facesim.gallery", b"facesim.model"
_ADDED = {"size": "int64", "changed": "int64", "content": "binary"}  # columns that old galleries lack
_NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")  # control characters, line breaks, and bytes that are no text


class FaceRow(NamedTuple):
    """A face as the gallery keeps it; or, without an embedding, a photo that shows no face."""

    photo: str
    modified: int = 0  # nanoseconds since 1970, of the photo's last change
    name: str | None = None
    embedding: np.ndarray | None = None  # (d,) float32, of unit length
    box: Box | None = None
    angle: int = 0
    problem: str | None = None  # why there is no embedding
    size: int | None = None  # these are as in `Version`
    changed: int | None = None
    content: bytes | None = None  # the photo's `content_digest`

    @property
    def version(self) -> Version:
        return Version(self.modified, self.size, self.changed)

    @property
    def face(self) -> Face:
        """Return where on its photo the face is; only for a row that has an embedding."""
        assert self.box is not None, f"{self.photo} shows no face"
        return Face(self.box, self.angle)


@dataclass(frozen=True, slots=True)
class Match:
    """A face of the gallery and its distance from the face that was searched for."""

    name: str | None  # None: it was embedded without one
    distance: float
    photo: str
    box: Box

    def as_dict(self, threshold: float) -> dict[str, Any]:
        """Return the match as JSON has it, and whether it is one at a threshold."""
        found = {"distance": self.distance, "same": self.distance < threshold, "name": self.name, "photo": self.photo}
        return found | {"box": self.box._asdict()}


def check_not_uploaded(photo: str) -> None:
    """Raise FaceSimError if a row's photo is on no disk because it was sent to `facesim serve`."""
    if photo.startswith(UPLOADED):
        raise FaceSimError(f"{photo} was sent to facesim serve, which keeps no photos: enrol it from a file.")


def check_name(name: str) -> str:
    """Return a person's name as the gallery stores it; raises FaceSimError where it cannot be a name."""
    kept = unicodedata.normalize("NFC", name).strip()
    if not kept or len(kept) > MAX_NAME or any(unicodedata.category(letter) in _NO_LETTERS for letter in kept):
        shown = printable(name)[:50]
        raise FaceSimError(f"{shown!r} cannot be a name: give one line of text, of 1 to {MAX_NAME} characters.")
    return kept


def spelling_among(names: Collection[str], name: str) -> str:
    """Return how one of `names` spells a name; as given where one has that spelling, or none has the name."""
    name = check_name(name)
    return name if name in names else Spellings(names).first(name)


def gallery_schema(embedding_size: int, fingerprint: str) -> "pa.Schema":
    """Return the columns of a gallery for the embeddings of the model with this fingerprint."""
    import pyarrow as pa  # not needed to read a snapshot

    return pa.schema(
        [
            pa.field("embedding", pa.list_(pa.float32(), embedding_size)),
            pa.field("name", pa.string()),
            pa.field("photo", pa.binary()),  # as the file system has it, which may be no text
            pa.field("modified", pa.int64()),
            *(pa.field(edge, pa.int32()) for edge in BOX),
            pa.field("angle", pa.int32()),
            pa.field("problem", pa.string()),
            *(pa.field(name, kind) for name, kind in _ADDED.items()),
        ],
        metadata={_FORMAT: FORMAT_VERSION, _FINGERPRINT: fingerprint},
    )


def fingerprint_in(schema: "pa.Schema", address: str) -> str:
    """Return the fingerprint of the model that made a gallery; raises FaceSimError where we cannot read it."""
    import pyarrow as pa

    metadata = schema.metadata or {}
    fingerprint = metadata.get(_FINGERPRINT, b"").decode(errors="replace")
    kind = schema.field("embedding").type if "embedding" in schema.names else pa.null()
    if metadata.get(_FORMAT) == FORMAT_VERSION.encode() and pa.types.is_fixed_size_list(kind):
        current = gallery_schema(kind.list_size, fingerprint)
        if pa.schema([*schema, *missing_columns(schema)]).equals(current):
            return fingerprint
    raise FaceSimError(f"{printable(address)} is not a gallery that this version of facesim can read.")


def check_model(address: str, fingerprint: str, model: "Model | None") -> None:
    """Raise FaceSimError where a gallery, made by the model with this fingerprint, is to be used with another one."""
    if model is not None and fingerprint != model.fingerprint:
        raise FaceSimError(
            f"{printable(address)} was made by another model ({fingerprint[:12]}) than {model.path} "
            f"({model.fingerprint[:12]}): give that one by -w, or remake the gallery with facesim reembed."
        )


def missing_columns(schema: "pa.Schema") -> "pa.Schema":
    """Return the columns that a gallery lacks because an earlier facesim made it."""
    import pyarrow as pa

    return pa.schema([pa.field(name, kind) for name, kind in _ADDED.items() if name not in schema.names])


def not_enrolled(address: str, name: str) -> str:
    """Return the message that nobody in a gallery has a name."""
    return f"nobody in {printable(address)} is called {name}: facesim list says who is."


def rows_table(rows: Sequence[FaceRow], schema: "pa.Schema") -> "pa.Table":
    """Return one row or more in the columns of a gallery."""
    import pyarrow as pa

    columns = {name: [getattr(row, name) for row in rows] for name in schema.names if name not in BOX}
    edges = zip(*(row.box or (None,) * len(BOX) for row in rows), strict=True)
    columns |= zip(BOX, map(list, edges), strict=True)
    columns["photo"] = [os.fsencode(row.photo) for row in rows]
    return pa.Table.from_pydict(columns, schema)


def rows_in(batch: "pa.RecordBatch") -> Iterator[FaceRow]:
    """Yield the rows in a batch of a gallery's table."""
    size = batch.schema.field("embedding").type.list_size
    embeddings = iter(batch["embedding"].flatten().to_numpy().reshape(-1, size))  # of the rows that have one
    for row in batch.drop_columns(["embedding"]).to_pylist():
        box = Box(*(row.pop(edge) for edge in BOX))
        row["photo"] = os.fsdecode(row["photo"])
        if row["problem"] is None:
            row |= {"embedding": next(embeddings), "box": box}
        yield FaceRow(**row)
