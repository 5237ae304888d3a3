"""An inspection as text for people, and as a dictionary for programs."""

from collections.abc import Iterable

import numpy as np

from facesim.data.duplicates import Copies
from facesim.data.inspection import Inspection
from facesim.text import printable

_SHOWN = 4  # of each finding


def as_dict(inspection: Inspection) -> dict:
    """Return everything that was found, photos by name, ready for JSON."""
    photos, counts = inspection.dataset.photos, inspection.counts
    values = list(counts.values())
    largest = next(iter(counts))
    return {
        "data": inspection.dataset.name,
        "identities": len(counts),
        "photos": len(photos),
        "photos_per_identity": {
            "min": min(values),
            "median": float(np.median(values)),
            "mean": len(photos) / len(values),
            "max": max(values),
            "with_one_photo": values.count(1),
            "largest": largest,
            "share_of_largest": counts[largest] / len(photos),
        },
        "photo_size": dict(zip(("min", "median", "max"), _sizes(inspection), strict=True)),
        "unreadable": {photos[i]: reason for i, reason in inspection.unreadable.items()},
        "without_face": [photos[i] for i in inspection.faceless],
        "several_faces": {photos[i]: faces for i, faces in inspection.several_faces.items()},
        "same_photo_under_several_names": [_copies_as_dict(inspection, c) for c in inspection.two_names()],
        "same_photo_under_one_name": [_copies_as_dict(inspection, c) for c in inspection.one_name()],
        "to_exclude": {photos[i]: reason for i, reason in sorted(inspection.to_exclude().items())},
    }


def as_text(inspection: Inspection) -> str:
    """Return a summary of about forty lines: the figures, then the first few findings of each kind, the worst first."""
    photos, summary = inspection.dataset.photos, as_dict(inspection)
    per = summary["photos_per_identity"]
    small, middle, large = ("×".join(map(str, size)) for size in _sizes(inspection))
    lines = [
        f"{printable(summary['data'])}: {summary['photos']:,} photos of {summary['identities']:,} identities",
        "",
        f"photos per identity   {per['min']:,} to {per['max']:,}, median {per['median']:g}, mean {per['mean']:.1f}",
        f"  with only one       {per['with_one_photo']:,} identities",
        f"  with the most       {printable(per['largest'])}, {per['share_of_largest']:.1%} of all photos",
        f"photo size            {small} to {large}, median {middle}",
    ]
    many = sorted(inspection.several_faces.items(), key=lambda item: -item[1])
    for title, found in (
        ("same photo, two names", [_copies_line(inspection, copies) for copies in inspection.two_names()]),
        ("cannot be opened", [f"{photos[i]} {reason}" for i, reason in inspection.unreadable.items()]),
        ("no face found", [photos[i] for i in inspection.faceless]),
        ("same photo, same name", [_copies_line(inspection, copies) for copies in inspection.one_name()]),
        ("several faces", [f"{photos[i]} ({faces})" for i, faces in many]),
    ):
        lines += _finding(title, found)
    return "\n".join(lines)


def _sizes(inspection: Inspection) -> list[list[int]]:
    """Return the smallest, the median and the largest photo's width and height, by area."""
    sizes = inspection.sizes[inspection.sizes.min(axis=1) > 0]
    order = np.argsort(sizes.prod(1), kind="stable")
    return sizes[order[[0, len(order) // 2, -1]]].tolist()


def _copies_as_dict(inspection: Inspection, copies: Copies) -> dict:
    return {"photos": [inspection.dataset.photos[i] for i in copies.photos], "same_bytes": copies.same_bytes}


def _copies_line(inspection: Inspection, copies: Copies) -> str:
    more = f" and {len(copies.photos) - 2} more" if len(copies.photos) > 2 else ""
    names = " = ".join(inspection.dataset.photos[i] for i in copies.photos[:2])
    return names + more + (" (same bytes)" if copies.same_bytes else "")


def _finding(title: str, found: list[str]) -> Iterable[str]:
    yield from ("", f"{title:22}{f'{len(found):,}' if found else 'none'}")
    yield from (f"  {printable(line)}" for line in found[:_SHOWN])
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN:,} more"
