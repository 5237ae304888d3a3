"""Give a person in a gallery another name."""

from facesim.errors import FaceSimError
from facesim.gallery.rows import check_name, not_enrolled, spelling_among
from facesim.gallery.snapshot import Snapshot
from facesim.gallery.store import Gallery
from facesim.gallery.tables import quoted, translate_errors
from facesim.text import printable


def rename(gallery: Gallery, name: str, new_name: str, merge: bool = False) -> int:
    """Give a person another name; return how many faces that changed.

    Raises FaceSimError where nobody has the name, or, without `merge`, where somebody has the new one already.
    """
    with gallery.writing():
        name, new_name = check_renaming(gallery, name, new_name, merge)
        with translate_errors(gallery.address):
            return gallery.table.update(where=f"name = {quoted(name)}", values={"name": new_name}).rows_updated


def check_renaming(gallery: Gallery | Snapshot, name: str, new_name: str, merge: bool = False) -> tuple[str, str]:
    """Return the two names as the gallery spells them; raises FaceSimError as `rename` does."""
    new_name, names = check_name(new_name), gallery.names()
    name, other = spelling_among(names, name), spelling_among(names, new_name)
    if name not in names:
        raise FaceSimError(not_enrolled(gallery.address, name))
    if other == name or other not in names:
        return name, new_name
    if not merge:
        raise FaceSimError(f"{other} is in {printable(gallery.address)} already: --merge makes them one person.")
    return name, other
