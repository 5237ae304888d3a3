"""Say what a map shows: in sentences for people, as a dictionary for programs."""

import numpy as np

from facesim.evaluation.explore.map import PhotoMap
from facesim.evaluation.explore.map_signs import signs_of


def as_dict(photo_map: PhotoMap) -> dict:
    """Return the map point by point, ready for JSON; an identity that is not known is None."""
    dataset, laid_out = photo_map.dataset, photo_map.map
    points = [
        {"photo": dataset.photos[photo], "identity": str(name) or None, "x": x, "y": y}
        for photo, name, (x, y) in zip(
            photo_map.photos.tolist(), photo_map.identities, laid_out.points.tolist(), strict=True
        )
    ]
    return {
        "data": dataset.name,
        "photos": len(dataset.photos),
        "without_face": len(dataset.photos) - photo_map.faces,
        "method": laid_out.method,
        "explained_variance": laid_out.explained_variance,
        "points": points,
    }


def sentences(photo_map: PhotoMap) -> list[str]:
    """Say how many photos are shown, how far the layout can be trusted, and who has a colour."""
    return [_who(photo_map), _how(photo_map), *_colours(photo_map.identities)]


def axis_labels(photo_map: PhotoMap) -> tuple[str, str]:
    """Return the labels of both axes; for PCA with the share of the variance that each explains."""
    explained = photo_map.map.explained_variance
    if explained is None:
        return "t-SNE, no unit", "t-SNE, no unit"
    first, second = explained
    return f"component 1: {_percent(first)} of the variance", f"component 2: {_percent(second)} of the variance"


def _who(photo_map: PhotoMap) -> str:
    shown, faces = len(photo_map.photos), photo_map.faces
    known = len(np.setdiff1d(photo_map.identities, [""]))
    said = f"{shown:,} photos" if shown == faces else f"{shown:,} of {faces:,} photos, drawn by chance,"
    of = f"of {known:,} {'identity' if known == 1 else 'identities'}" if known else "of people unknown"
    left_out = len(photo_map.dataset.photos) - faces
    return f"{said} {of}" + (
        f"; {left_out:,} more without a face {'is' if left_out == 1 else 'are'} left out." if left_out else "."
    )


def _how(photo_map: PhotoMap) -> str:
    explained = photo_map.map.explained_variance
    if explained is None:
        return (
            "t-SNE keeps near faces near. It explains no share of the variance, and distances between clusters mean "
            "little."
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
    most = f"the {len(signs)} with the most photos have one, the others are grey" if signs else "all are grey"
    return [f"There are more identities than signs to tell them apart: {most}."]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
