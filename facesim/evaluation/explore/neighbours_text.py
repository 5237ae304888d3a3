"""Say which photos are a face's neighbours: as a table for people, as a dictionary for programs."""

from facesim.evaluation.explore.neighbours import PhotoNeighbours
from facesim.text import printable


def as_dict(found: PhotoNeighbours) -> dict:
    """Return the neighbours, nearest first, ready for JSON; what is not known is None."""
    return {
        "query": {
            "photo": found.query.photo,
            "faces": found.query.face_count,
            "identity": found.query_identity or None,
        },
        "data": found.dataset.name,
        "searched": found.searched,
        "without_face": len(found.crops.problems),
        "threshold": found.threshold,
        "neighbours": [
            {
                "rank": rank,
                "distance": distance,
                "same": same,
                "identity": name or None,
                "same_identity": right,
                "photo": str(found.dataset.root / found.dataset.photos[photo]),
            }
            for rank, (photo, distance, same, name, right) in enumerate(
                zip(
                    found.neighbours.indices.tolist(),
                    found.neighbours.distances.tolist(),
                    found.same,
                    found.identities,
                    found.right,
                    strict=True,
                ),
                1,
            )
        ],
    }


def as_text(found: PhotoNeighbours) -> str:
    """Return a line about the query, and a line per neighbour."""
    told = as_dict(found)
    who = f" ({found.query_identity})" if found.query_identity else ""
    faces = "face" if found.searched == 1 else "faces"
    without = len(found.crops.problems)
    left_out = f"; {without:,} more without a face" if without else ""
    lines = [
        printable(f"{found.query.photo}{who} among {found.searched:,} {faces} of {found.dataset.name}{left_out}"),
        "",
    ]
    names = [printable(name) or "unknown" for name in found.identities]
    width = max(len("identity"), *map(len, names))
    lines.append(f"rank  distance  verdict    {'identity':{width}}  photo")
    for line, name in zip(told["neighbours"], names, strict=True):
        verdict = "same" if line["same"] else "different"
        lines.append(
            f"{line['rank']:4}  {line['distance']:8.4f}  {verdict:9}  {name:{width}}  {printable(line['photo'])}"
        )
    return "\n".join(lines)
