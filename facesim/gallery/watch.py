"""Say who is on the frames of a video."""

from collections.abc import Iterator

from facesim.errors import NoFaceError
from facesim.gallery.identify import Identified, Identifier
from facesim.gallery.video import Frame, Video
from facesim.photo import open_photo


def identify_frames(
    video: Video, identifier: Identifier, every: float = 0.0
) -> Iterator[tuple[Frame, list[Identified]]]:
    """Yield frames of a video, as `Video.frames` does, each with who is on it, by a `quick` identifier."""
    for frame in video.frames(every):
        try:
            yield frame, identifier.identify(open_photo(frame.pixels, video.name))
        except NoFaceError:
            yield frame, []
