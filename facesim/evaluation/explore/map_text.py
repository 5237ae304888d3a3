"""A map as sentences and as a dictionary."""

from typing import Any

import numpy as np

from facesim.evaluation.explore.map import PhotoMap
from facesim.evaluation.explore.map_signs import signs_of
from facesim.text import pluralise


def as_dict(photo_map: PhotoMap) -> dict[str, Any]:
    """Return the map point by point, for JSON; an unknown identity is None."""
    dataset, laid_out = photo_map.dataset, photo_map.map
    rows = zip(photo_map.photos.tolist(), photo_map.identities.tolist(), laid_out.points.tolist(), strict=True)
    return {
        "data": dataset.name,
        "photos": len(dataset.photos),
        "without_face": len(photo_map.crops.problems),
        "method": laid_out.method,
        "explained_variance": laid_out.explained_variance,
        "points": [
            {"photo": dataset.photos[photo], "identity": name or None, "x": x, "y": y} for photo, name, (x, y) in rows
        ],
    }


def describe(photo_map: PhotoMap) -> list[str]:
    """Return sentences that say how many photos are shown, how far the map can be trusted, and who has a colour."""
    return [_photos(photo_map), _layout(photo_map), *_colours(photo_map.identities)]


def axis_labels(photo_map: PhotoMap) -> tuple[str, str]:
    """Return the labels of both axes; for PCA with the share of the variance that each explains."""
    explained = photo_map.map.explained_variance
    if explained is None:
        return "t-SNE, no unit", "t-SNE, no unit"
    first, second = explained
    return f"component 1: {_percent(first)} of the variance", f"component 2: {_percent(second)} of the variance"


def _photos(photo_map: PhotoMap) -> str:
    shown, without = len(photo_map.photos), len(photo_map.crops.problems)
    total = len(photo_map.dataset.photos)
    known = len(np.setdiff1d(photo_map.identities, [""]))
    drawn = f"{shown:,} photos" if shown + without == total else f"{shown:,} of {total:,} photos, drawn at random,"
    people = f"of {pluralise(known, 'identity', 'identities')}" if known else "of unknown people"
    left_out = f"; {without:,} more without a face {'is' if without == 1 else 'are'} left out" if without else ""
    return f"{drawn} {people}{left_out}."


def _layout(photo_map: PhotoMap) -> str:
    explained = photo_map.map.explained_variance
    if explained is None:
        return (
            "t-SNE keeps similar faces close together. It explains no share of the variance, and distances between "
            "clusters mean little."
        )
    first, second = explained
    return (
        f"PCA: component 1 explains {_percent(first)} of the variance, component 2 {_percent(second)}; "
        f"the other {_percent(max(0, 1 - first - second))} cannot be seen here."
    )


def _colours(identities: np.ndarray) -> list[str]:
    signs, known = signs_of(identities), len(np.setdiff1d(identities, [""]))
    if len(signs) == known:
        return []
    coloured = f"the {len(signs)} with the most photos have one, the others are grey" if signs else "all are grey"
    return [f"There are more identities than colours and shapes to tell them apart: {coloured}."]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
