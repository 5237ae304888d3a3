"""A face's neighbours as a table and as a dictionary."""

from typing import Any

from facesim.evaluation.explore.neighbours import PhotoNeighbours
from facesim.text import pluralise, printable


def as_dict(found: PhotoNeighbours) -> dict[str, Any]:
    """Return the neighbours, nearest first, for JSON; what is unknown is None."""
    query = found.query
    return {
        "query": {"photo": query.photo, "faces": query.face_count, "identity": found.query_identity or None},
        "data": found.dataset.name,
        "searched": found.searched,
        "without_face": len(found.crops.problems),
        "threshold": found.threshold,
        "neighbours": [
            {
                "rank": rank,
                "distance": neighbour.distance,
                "same": neighbour.same,
                "identity": neighbour.identity or None,
                "same_identity": neighbour.same_identity,
                "photo": str(found.dataset.root / found.dataset.photos[neighbour.photo]),
            }
            for rank, neighbour in enumerate(found.ranked(), 1)
        ],
    }


def as_text(found: PhotoNeighbours) -> str:
    """Return a line about the query, and one line per neighbour."""
    who = f" ({found.query_identity})" if found.query_identity else ""
    where = f"{pluralise(found.searched, 'face')} of {found.dataset.name}"
    if found.crops.problems:
        where += f"; {len(found.crops.problems):,} more without a face"
    rows = as_dict(found)["neighbours"]
    names = [printable(row["identity"] or "unknown") for row in rows]
    width = max(len("identity"), *map(len, names))
    lines = [printable(f"{found.query.photo}{who} among {where}"), ""]
    lines.append(f"rank  distance  verdict    {'identity':{width}}  photo")
    for row, name in zip(rows, names, strict=True):
        verdict = "same" if row["same"] else "different"
        lines.append(f"{row['rank']:4}  {row['distance']:8.4f}  {verdict:9}  {name:{width}}  {printable(row['photo'])}")
    return "\n".join(lines)
