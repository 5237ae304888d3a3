"""Group faces by person, without names."""

import math
from collections import defaultdict
from collections.abc import Sequence

import dlib
import numpy as np

from facesim.detector.box import SAME_FACE, overlap
from facesim.gallery.rows import FaceRow
from facesim.gallery.thresholds import claimed_fmr
from facesim.model_info import ModelInfo
from facesim.operating_points import check_threshold

NEIGHBOURS = 20  # nearest faces that a face may be linked to: with more, people who look alike are joined
# For 50 faces, links have an FMR of SMALL_FMR; it falls as their number grows, to the power of GROWTH. With a power of
# 1, a face would have as many false links in a collection of any size; but a larger one holds more photos of a person,
# which outvote a false link. `python benchmarks/clustering.py lfw pins` tries other values.
SMALL_FMR, GROWTH = 0.0012, 0.75
_MAX_COMPARED = 2**25  # pairs of faces at once: 130 MB


def group_rows(rows: Sequence[FaceRow], threshold: float, allow_twice: bool = False) -> list[list[FaceRow]]:
    """Return rows with faces in groups, one per person, the largest first, as `cluster` makes them.

    No group has two faces of one photo, unless `allow_twice`. Rows of one face, as where a photo has been both enrolled
    and embedded, stay together.
    """
    groups = ([row for face in group for row in face] for group in group_faces(rows, threshold, allow_twice))
    return sorted(groups, key=len, reverse=True)


def group_faces(rows: Sequence[FaceRow], threshold: float, allow_twice: bool = False) -> list[list[list[FaceRow]]]:
    """Return the groups of `group_rows`, each a list of faces, and each face a list of its rows, mostly one."""
    faces = [[row] for row in rows] if allow_twice else _by_face(rows)
    embeddings = np.array([face[0].embedding for face in faces])
    groups = cluster(embeddings, threshold, None if allow_twice else [face[0].photo for face in faces])
    return [[faces[i] for i in group] for group in groups]


def cluster(embeddings: np.ndarray, threshold: float, photos: Sequence[str] | None = None) -> list[np.ndarray]:
    """Return groups of faces, one per person, as indices into `embeddings`, `(n, d) float32`; the largest first.

    Each face is linked to those of its 20 nearest that lie under the threshold, and the links are grouped by Chinese
    whispers (Biemann 2006), as implemented by dlib. A face without a link is a group of its own. Time grows with n².

    `photos` says for each face which photo it is on: then no group has two faces of one photo. A group that would have
    is put together again from its links, the closest first, without those that would join two faces of one photo.

    Raises FaceSimError where the threshold is not a number from 0 to 2.
    """
    links, closeness = _links(embeddings, check_threshold(threshold))
    labels = np.array(dlib.chinese_whispers([*zip(*links.T.tolist(), strict=True)]), int)
    if photos is not None:
        numbers = np.unique(np.array(photos, dtype=object), return_inverse=True)[1]
        labels = _one_face_per_photo(labels, numbers, links[np.argsort(-closeness, kind="stable")])
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def threshold_for(info: ModelInfo, face_count: int) -> float:
    """Return the distance below which to link faces in a collection, by the model's own false match rates.

    Between its operating points, and below the strictest, the logarithm of the FMR is interpolated linearly over the
    distance. The result is never above the model's own threshold.
    """
    points: dict[float, float] = {}  # threshold by log FMR
    for point in sorted(info.operating_points, key=lambda point: point.threshold):
        points.setdefault(math.log(claimed_fmr(point)), point.threshold)
    if len(points) < 2:
        return min((*points.values(), info.threshold))
    fmrs, thresholds = np.sort([*points]), np.sort([*points.values()])
    target = math.log(SMALL_FMR * (50 / max(1, face_count)) ** GROWTH)
    threshold = np.interp(target, fmrs, thresholds)
    if target < fmrs[0]:
        slope = (thresholds[1] - thresholds[0]) / (fmrs[1] - fmrs[0])
        threshold = max(thresholds[0] / 2, thresholds[0] + (target - fmrs[0]) * slope)
    return float(min(threshold, info.threshold))


def _by_face(rows: Sequence[FaceRow]) -> list[list[FaceRow]]:
    """Return rows by the face that they show: the same if it is at the same place of the same photo."""
    by_photo: defaultdict[str, list[list[FaceRow]]] = defaultdict(list)
    for row in rows:
        others = by_photo[row.photo]
        same = (face for face in others if overlap(face[0].face.box, row.face.box) >= SAME_FACE)
        face = next(same, None)
        if face is None:
            others.append([row])
        else:
            face.append(row)
    return [face for faces in by_photo.values() for face in faces]


def _links(embeddings: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of faces, `(m, 2) int`, and the products of their embeddings, `(m,)`: the larger, the closer.

    Each face is also linked to itself, so that none is left out.
    """
    count = len(embeddings)
    links, closeness = [np.stack([np.arange(count)] * 2, axis=1)], [np.ones(count, np.float32)]
    rows_at_once = max(1, _MAX_COMPARED // max(1, count))
    for start in range(0, count, rows_at_once):
        products = embeddings[start : start + rows_at_once] @ embeddings.T  # distance² = 2 − 2 · product
        if count > NEIGHBOURS:
            first = count - NEIGHBOURS - 1
            nearest = np.argpartition(products, first, axis=1)[:, first:]  # including itself
        else:
            nearest = np.broadcast_to(np.arange(count), products.shape)
        close = np.take_along_axis(products, nearest, axis=1) > 1 - threshold**2 / 2
        rows, columns = np.nonzero(close)
        linked = nearest[rows, columns]
        links.append(np.stack([start + rows, linked], axis=1))
        closeness.append(products[rows, linked])
    return np.concatenate(links), np.concatenate(closeness)


def _one_face_per_photo(labels: np.ndarray, photos: np.ndarray, closest_first: np.ndarray) -> np.ndarray:
    """Return new labels of faces, `(n,) int`: groups that have two faces of one photo are split.

    `photos`, `(n,) int`, says which photo each is on; `closest_first`, `(m, 2) int`, are the linked pairs of faces.
    """
    shares, counts = np.unique(labels * len(labels) + photos, return_counts=True)  # each group's faces on each photo
    split = np.isin(labels, shares[counts > 1] // max(1, len(labels)))
    one, other = closest_first.T
    links = closest_first[split[one] & (labels[one] == labels[other])]
    group_of = {face: [face] for face in np.flatnonzero(split).tolist()}  # each face's group, one list for all in it
    photos_of = {face: {int(photos[face])} for face in group_of}  # by the first face of a group
    for face, linked in links.tolist():
        smaller, larger = sorted((group_of[face], group_of[linked]), key=len)
        if smaller is not larger and photos_of[smaller[0]].isdisjoint(photos_of[larger[0]]):
            photos_of[larger[0]] |= photos_of.pop(smaller[0])
            larger += smaller
            group_of.update(dict.fromkeys(smaller, larger))
    labels = labels.copy()
    for face, group in group_of.items():
        labels[face] = len(labels) + group[0]
    return labels
