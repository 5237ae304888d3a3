"""Who is on the photos that are to be enrolled."""

import os
from collections.abc import Iterable

from facesim.errors import FaceSimError
from facesim.folder import people_below, photos_at
from facesim.gallery.rows import check_name
from facesim.names import Spellings


def people_in(paths: Iterable[str], name: str | None = None, depth: int | None = None) -> list[tuple[str, str]]:
    """Return photos and who is on each: `name` on all of them or, without one, as `people_below` names folders.

    Raises FaceSimError where the folders do not say who is on a photo.
    """
    if name is not None:
        name = check_name(name)
        return [(photo, name) for photo in photos_at(paths)]
    spellings = Spellings()
    people: dict[tuple[str, str], None] = {}  # in order, each pair once
    for path in paths:
        if not os.path.isdir(path):
            raise FaceSimError(f"who is on {path}? Give --name, or a folder with a sub-folder of photos per person.")
        found = people_below(path, check_name, depth)
        if not found:
            raise FaceSimError(f"{path} has no sub-folders with photos, named after the people on them: give --name.")
        people |= dict.fromkeys((os.path.join(path, *parts), spellings.first(person)) for parts, person in found)
    return list(people)
