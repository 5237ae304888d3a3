"""Compare two photos or many pairs, or embed many photos."""

import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facesim.detector.selection import EmbeddedPhoto, FoundFace, cut_faces
from facesim.errors import FaceSimError
from facesim.model import Model
from facesim.model_info import OperatingPoint
from facesim.operating_points import check_threshold, point_as_dict, point_for_fmr
from facesim.photo import Photo, PhotoSource, is_path, take_photos


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether two photos show one person: same iff distance < threshold."""

    same: bool
    distance: float  # Euclidean, between unit embeddings, 0 to 2
    threshold: float
    probability: float  # that they show one person, if half of all pairs do
    face1: FoundFace
    face2: FoundFace
    model: str
    # of the model file: the one at this threshold, or the next less strict one; None where there is none
    operating_point: OperatingPoint | None = field(default=None, compare=False)

    @property
    def probability_text(self) -> str:
        """Return the probability as a percentage, never 0 % or 100 %."""
        return probability_text(self.probability)

    @property
    def text(self) -> str:
        """Return the verdict in words."""
        return "Same person." if self.same else "Different people."

    @property
    def probability_sentence(self) -> str:
        """Return the probability and what it is of, and that the threshold says otherwise where it does."""
        contradicted = ""
        if self.same != (self.probability >= 0.5):
            contradicted = f"; the threshold asks for {'less' if self.same else 'more'}"
        return f"{self.probability_text} that it is one person{contradicted}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON has it, the boxes by their edges."""
        fields = dataclasses.asdict(dataclasses.replace(self, operating_point=None))  # it may hold 1,000 measures
        faces = {"face1": self.face1.as_dict(), "face2": self.face2.as_dict()}
        return fields | faces | {"operating_point": point_as_dict(self.operating_point)}


def probability_text(probability: float) -> str:
    """Return a probability as a percentage, never 0 % or 100 %."""
    if probability < 0.001:
        return "under 0.1 %"
    if probability > 0.999:
        return "over 99.9 %"
    return f"{100 * probability:.1f} %"


class Embedded(NamedTuple):
    """What `Verifier.embed` returns: unit embeddings, and by a photo's index why it has none."""

    embeddings: np.ndarray  # (n, d) float32, NaN where a photo failed
    failures: dict[int, FaceSimError]


class Verifier:
    """Compares photos by a model: `verify` two, `verify_many` pairs, or `embed` photos.

    A photo is a path, bytes, a binary file object, a PIL image, or an RGB array `(h, w, 3) uint8`. Several threads may
    share a Verifier, on the CPU also after a fork; it can be pickled: another process opens the model again, by its
    path.
    """

    def __init__(
        self,
        model: Model | str | Path | None = None,
        threshold: float | None = None,
        gpu: int = -1,
        fmr: float | None = None,
    ):
        """Use the model that ships, or the one given, with its own threshold or another, on the CPU or GPU `gpu`.

        Instead of a threshold, `fmr` picks the operating point that the model file stores for this false match rate.

        Raises FaceSimError when the model cannot be used, when the threshold is not a number from 0 to 2, or when the
        model file has no such operating point.
        """
        if threshold is not None and fmr is not None:
            raise FaceSimError("a threshold and an FMR are two ways to say the same: give one of them.")
        self.given_threshold = None if threshold is None else check_threshold(threshold)
        self.model = model if isinstance(model, Model) else Model(model, gpu)
        if fmr is not None:
            self.given_threshold = point_for_fmr(self.model.info, fmr).threshold
        self.threshold = self.model.info.threshold if self.given_threshold is None else self.given_threshold

    def verify(
        self,
        photo1: PhotoSource,
        photo2: PhotoSource,
        selection: str = "largest",
        box1: Sequence[float] | None = None,
        box2: Sequence[float] | None = None,
    ) -> Verdict:
        """Say whether two photos show one person.

        Of each photo the faces of the `selection` count, as in `cut_faces`: "largest", "centre", or "all", of which the
        closest pair decides; or the one in a box: its left, top, right and bottom in pixels of the upright photo.

        Raises FaceSimError when a photo cannot be read, and NoFaceError when it shows no face.
        """
        first, second = take_photos((photo1, photo2))
        return self.decide(*_in_parallel(self.embed_faces, (first, selection, box1), (second, selection, box2)))

    def verify_many(
        self, pairs: Iterable[tuple[PhotoSource, PhotoSource]], selection: str = "largest"
    ) -> Iterator[Verdict | FaceSimError]:
        """Yield the verdict on each pair of photos, in order, as soon as it is ready; all cores work on them.

        A pair without a verdict yields its error instead. Pairs are read some thousands ahead, and photos in memory
        copied then; a file is opened once while it stays the same; memory does not grow with the number of pairs.
        """
        from facesim.bulk import embed_groups  # one pair does not need it

        embed = partial(self.embed_faces, selection=selection)
        for embedded in embed_groups(map(_pair, pairs), embed, self.model.threads):
            yield embedded if isinstance(embedded, FaceSimError) else self.decide(*embedded)

    def embed(self, photos: Iterable[PhotoSource]) -> Embedded:
        """Embed the main face of each photo, on all cores where there are many.

        A photo that cannot be read, or shows no face, raises nothing: it is among the `failures`. Photos are read ahead
        as in `verify_many`.
        """
        from facesim.bulk import embed_groups, one_by_one

        nothing = np.full(self.model.embedding_size, np.nan, np.float32)
        embeddings, failures = [], {}
        for index, embedded in enumerate(embed_groups(one_by_one(photos), self.embed_faces, self.model.threads)):
            if isinstance(embedded, FaceSimError):
                failures[index] = embedded
                embeddings.append(nothing)
            else:
                embeddings.append(embedded[0].embeddings[0])
        return Embedded(np.array(embeddings, np.float32).reshape(-1, len(nothing)), failures)

    def embed_faces(
        self,
        photo: PhotoSource | Photo,
        selection: str = "largest",
        box: Sequence[float] | None = None,
        quick: bool = False,
    ) -> EmbeddedPhoto:
        """Return the faces of one photo that count, as in `verify`, and their embeddings; raises what that does.

        With `quick`, as for a frame of a video, the detector looks only once.
        """
        found, crops = zip(*cut_faces(photo, selection, box, quick), strict=True)
        return EmbeddedPhoto(found, self.model.embed(np.stack(crops)))

    def decide(self, first: EmbeddedPhoto, second: EmbeddedPhoto) -> Verdict:
        """Say whether two photos that `embed_faces` has embedded show one person; of several faces, the closest two."""
        one = other = 0
        if len(first.faces) * len(second.faces) > 1:
            between = np.linalg.norm(first.embeddings[:, None] - second.embeddings[None], axis=2)
            one, other = np.unravel_index(between.argmin(), between.shape)
        distance = float(np.linalg.norm(first.embeddings[one] - second.embeddings[other]))
        probability = self.model.info.probability(distance)
        face1, face2 = first.faces[one], second.faces[other]
        return Verdict(
            distance < self.threshold,
            distance,
            self.threshold,
            probability,
            face1,
            face2,
            str(self.model.path),
            self.model.info.point_at(self.threshold),
        )


def _pair(photos: tuple[PhotoSource, PhotoSource]) -> tuple[PhotoSource, PhotoSource]:
    if is_path(photos) or isinstance(photos, bytes) or len(photos) != 2:
        raise FaceSimError("a pair of photos was expected: give a list of pairs, each of two photos.")
    return photos


def _in_parallel(work: Callable, one: tuple, other: tuple) -> tuple:
    """Return work(*one) and work(*other), run in two threads: Pillow, dlib and ONNX Runtime release the GIL."""
    outcome: list = []

    def second() -> None:
        try:
            outcome.append(work(*other))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    try:
        first = work(*one)
    finally:
        thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return first, outcome[0]
