"""What an evaluation is asked for: what cannot be is refused before anything is imported that takes time."""

from pathlib import Path

from facesim.errors import FaceSimError


def check_arguments(data: tuple[str, ...], view: str | None, pairs: Path | None, count: int | None) -> None:
    """Raise FaceSimError where two of the arguments of `open_protocol` say which pairs to use."""
    if count is not None and (pairs is not None or view):
        raise FaceSimError(f"{pairs or f'View {view}'} already says which pairs to use: leave out their count.")
    if pairs is not None and (data or view):
        raise FaceSimError(f"{pairs} already says which pairs to use: leave out the data set and the view.")
    if view and data not in ((), ("lfw",)):
        raise FaceSimError(f"View {view} is one of LFW's protocols: it cannot use {', '.join(data)}.")
