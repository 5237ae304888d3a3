"""Group faces by person, without knowing who anybody is."""

import dlib
import numpy as np

from facesim.verifier import check_threshold

NEIGHBOURS = 20  # of each face that may be linked to it: more of them join people who look alike
_COMPARED = 2**25  # pairs of faces in one go: 130 MB


def cluster(embeddings: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Return groups of faces that show one person each, as indices into `embeddings`, `(n, d) float32`; largest first.

    Each face is linked to those of its 20 nearest that lie under the threshold, and the links are grouped by Chinese
    whispers (Biemann 2006), as dlib has it. A face without a link is a group of its own. Time grows with n².

    Raises FaceSimError where the threshold is not a number from 0 to 2.
    """
    labels = np.array(dlib.chinese_whispers(_links(embeddings, check_threshold(threshold))), int)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(labels) else []
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def _links(embeddings: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Return pairs of faces, each face with itself among them, so that none is left out."""
    count = len(embeddings)
    links = [(i, i) for i in range(count)]
    rows_at_once = max(1, _COMPARED // max(1, count))
    for start in range(0, count, rows_at_once):
        products = embeddings[start : start + rows_at_once] @ embeddings.T  # distance² = 2 − 2 · product
        if count > NEIGHBOURS:
            first = count - NEIGHBOURS - 1
            nearest = np.argpartition(products, first, axis=1)[:, first:]  # itself is one of them
        else:
            nearest = np.broadcast_to(np.arange(count), products.shape)
        close = np.take_along_axis(products, nearest, axis=1) > 1 - threshold**2 / 2
        rows, places = np.nonzero(close)
        links += zip((start + rows).tolist(), nearest[rows, places].tolist(), strict=True)
    return links
