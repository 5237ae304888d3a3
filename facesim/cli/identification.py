"""What `identify` and `watch` share."""

from facesim.cli.messages import note
from facesim.detector.box import box_text
from facesim.text import pluralise, printable

IDENTIFIED_COLUMNS = f"{'name':<24}  distance  probability  {'face (x,y,w,h)':<19}  photo"


def open_identifier(address, model, gpu, fmr, threshold, selection, quick=False, allow_twice=False, photo_count=0):
    """Return an `Identifier` as the options of these names ask for.

    The model is opened quickly for one or two photos.
    """
    from facesim.gallery.reading import GalleryReader, check_gallery

    check_gallery(address)
    from facesim.gallery.identify import Identifier
    from facesim.model import Model
    from facesim.verifier import Verifier

    verifier = Verifier(Model(model, gpu, quick=photo_count in (1, 2)), threshold)
    return Identifier(GalleryReader(address, verifier.model), verifier, fmr, selection, quick, allow_twice)


def identified_line(face):
    """Return who an identified face is, in the columns of IDENTIFIED_COLUMNS."""
    name = printable(face.name) if face.name else "unknown"
    distance = f"{face.nearest.distance:.4f}" if face.nearest else "–"
    where = f"{box_text(face.face.box):<19}  {printable(face.face.photo)}"
    return f"{name:<24}  {distance:<8}  {face.probability_text:<11}  {where}"


def note_highest_fmr(identifier):
    """Print the FMR stated at the threshold in use, and the highest recorded on other people, if that is higher."""
    worst = identifier.info.worst_text(identifier.threshold)
    if worst:
        note(f"threshold {identifier.threshold:.4f}: {worst}.")


def note_named_strangers(identifier, threshold):
    """Print how many strangers are named, if more than 1 % by default, or more than 10 % at a `threshold` asked for."""
    from facesim.gallery.thresholds import DEFAULT_FMR

    share, enrolled = identifier.strangers_named(), pluralise(identifier.enrolled, "enrolled person", "enrolled people")
    named = f"about {100 * share:.2g} % of strangers are" if share < 0.99 else "nearly all strangers may be"
    if threshold is None and share > DEFAULT_FMR:
        note(
            f"the model has no threshold by which at most {100 * DEFAULT_FMR:g} % of strangers are named among "
            f"{enrolled}: at its strictest, {identifier.threshold:.4f}, {named}."
        )
    elif threshold is not None and share > 0.1:
        note(f"at threshold {identifier.threshold:.4f}, {named} named among {enrolled}: leave out -t for fewer.")
