"""Watch a camera or a video: its frames, who is on each, and a video that shows it."""

import contextlib
import dataclasses
import itertools
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from facesim.environment import environment
from facesim.errors import FaceSimError, NoFaceError
from facesim.files import check_apart, check_writable, write_whole
from facesim.gallery.identify import Identified, Identifier

MAX_PIXELS = 36_000_000  # of a frame, 8K and a little more: a decoder keeps up to some twenty of them
VIDEO_SUFFIX = ".mp4"  # of what is written
_RATES = (0.1, 240.0)  # frames per second that are written
_USUAL_RATE = 25.0  # where a camera or a video does not say

_CAMERA = re.compile(r"[0-9]{1,2}")  # OpenCV takes larger numbers for a choice of its drivers
_AT_ONCE = 0.002  # seconds; a frame that takes no longer to come was waiting
_MAX_WAITING = 16  # frames in a camera's queue
_MISSING, _MISSING_SHARE = 1.0, 0.05  # seconds, and share of its length, that a video may lack
_MAX_STILL = 60.0  # seconds, that a written picture is shown: a damaged video's times may leap

# A file comes from a stranger, and FFmpeg knows playlists, which name other files and addresses to be opened. So it
# may read files only, and only of formats that hold their pictures themselves.
_FORMATS = "mov,matroska,avi,mpeg,mpegts,flv,asf,ogg"
_FFMPEG = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"protocol_whitelist;file|format_whitelist;{_FORMATS}",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # nothing: what is wrong with a file is ours to tell, in a sentence
}


class Frame(NamedTuple):
    """A picture of a video."""

    number: int  # from 0
    seconds: float  # into the video; of a camera, since it was opened
    pixels: np.ndarray  # RGB, (h, w, 3) uint8


class CutShortError(FaceSimError):
    """A video or a camera that ended too early; the frames until then have been given."""


class Video:
    """A camera of this machine, by its number such as "0", or a video file: `with Video(…) as video`, and its `frames`.

    `rate` is in frames per second, as it says itself; `count` how many frames a file has, about, or None.
    """

    def __init__(self, source: str | os.PathLike[str]):
        """Open it; raises FaceSimError where there is no such camera, no such file, or no video in it."""
        source = os.fspath(source)
        self.is_camera = bool(_CAMERA.fullmatch(source))
        self.name = f"camera {source}" if self.is_camera else source
        if self.is_camera:
            self._capture = cv2.VideoCapture(int(source))
            refusal = "cannot be opened: is it connected, and used by no other program? 0 is the first camera"
        else:
            _check_file(source)
            with _plain_name(Path(source)) as name:
                self._capture = _open_video(name)
            refusal = "is not a video that facesim can read (MP4, MOV, MKV, WebM, AVI, …), or is damaged"
        if not self._capture.isOpened():
            raise FaceSimError(f"{self.name} {refusal}.")
        width, height = (int(self._get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            most = f"{MAX_PIXELS // 10**6} million pixels"
            raise FaceSimError(f"{self.name} has frames of {width}×{height}, more than {most}: reduce them first.")
        rate, count = self._get(cv2.CAP_PROP_FPS), self._get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = rate if 0 < rate < math.inf else _USUAL_RATE
        self.count = int(count) if 0 < count < math.inf and not self.is_camera else None
        self._opened = time.monotonic()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_) -> None:
        self._capture.release()

    def frames(self, every: float = 0.0) -> Iterator[Frame]:
        """Yield the frames, or only some that are `every` seconds apart or more.

        A camera's frame is the one of now: those that have piled up since the last are passed over.

        Raises FaceSimError where there is no frame, and at the end CutShortError where that came too early.
        """
        seconds, taken = 0.0, -math.inf
        for number in itertools.count():
            if not self._grab():
                break
            seconds = self._seconds()
            if 0 <= seconds - taken < every - 0.0005:  # they are rounded to a thousandth
                continue
            seen, pixels = self._capture.retrieve()
            if not seen:
                break
            taken = seconds
            yield Frame(number, seconds, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        self._check_end(number, seconds)

    def _get(self, what: int) -> float:
        return self._capture.get(what)

    def _grab(self) -> bool:
        """Go to the next frame; of a camera, to the first that had to be waited for."""
        for _ in range(_MAX_WAITING if self.is_camera else 1):
            asked = time.monotonic()
            if not self._capture.grab():
                return False
            if time.monotonic() - asked > _AT_ONCE:
                break
        return True

    def _seconds(self) -> float:
        seconds = time.monotonic() - self._opened if self.is_camera else self._get(cv2.CAP_PROP_POS_MSEC) / 1000
        return round(seconds, 3)

    def _check_end(self, count: int, seconds: float) -> None:
        if self.is_camera:
            raise CutShortError(f"{self.name} gives no more pictures: is it still connected?")
        if count == 0:
            raise FaceSimError(f"{self.name} holds no frame that can be read: get a whole copy.")
        length = (self.count or 0) / self.rate
        if length - seconds > _MISSING + _MISSING_SHARE * length:
            raise CutShortError(
                f"{self.name} ends after {seconds:.1f} of its {length:.1f} seconds: it is damaged or cut short; get a "
                "whole copy."
            )


def identify_frames(
    video: Video, identifier: Identifier, every: float = 0.0
) -> Iterator[tuple[Frame, list[Identified]]]:
    """Yield frames of a video, as `Video.frames` does, each with who is on it, by a `quick` identifier."""
    for frame in video.frames(every):
        try:
            found = identifier.identify(frame.pixels)
        except NoFaceError:
            found = []
        yield frame, [dataclasses.replace(one, face=dataclasses.replace(one.face, photo=video.name)) for one in found]


class VideoWriter:
    """Writes an MP4 video: `add` pictures; each is shown until the next one's time."""

    def __init__(self, name: str, rate: float):
        self._name, self._rate = name, round(min(max(rate, _RATES[0]), _RATES[1]), 3)
        self._file: cv2.VideoWriter | None = None
        self._last: np.ndarray | None = None
        self._begun = 0.0
        self.written = 0

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Add a picture, to be shown from `seconds` on; all are of one size."""
        if self._file is None:
            code = cv2.VideoWriter_fourcc(*"mp4v")
            self._file = cv2.VideoWriter(self._name, cv2.CAP_FFMPEG, code, self._rate, picture.size)
            self._begun = seconds
        else:
            late = min((seconds - self._begun) * self._rate - self.written, _MAX_STILL * self._rate)
            for _ in range(round(late)):
                self._write(self._last)
        self._last = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
        self._write(self._last)

    def _write(self, pixels: np.ndarray) -> None:
        self._file.write(pixels)
        self.written += 1

    def close(self) -> None:
        """Finish the video."""
        if self._file is not None:
            self._file.release()


@contextlib.contextmanager
def write_video(path: Path, rate: float) -> Iterator[VideoWriter]:
    """Give a writer of a video; once the block has succeeded the file is there, whole.

    Raises FaceSimError where it cannot be written, or no picture was added.
    """
    with write_whole(path) as scratch, _plain_name(scratch) as name:
        writer = VideoWriter(name, rate)
        try:
            yield writer
        finally:
            writer.close()
        if not writer.written:
            raise FaceSimError(f"{path} is not written: there was no frame to show.")
        if not _open_video(name).isOpened():  # OpenCV does not tell where it could not write
            raise FaceSimError(f"{path} cannot be written: is the disk full?")


def check_video_path(path: Path, source: str) -> None:
    """Raise FaceSimError where no video of `source` could be written to `path`, before the work that it is to show."""
    if path.suffix.lower() != VIDEO_SUFFIX:
        raise FaceSimError(f"{path}: videos are written as {VIDEO_SUFFIX}.")
    check_writable(path)
    check_apart([path], [source])


def _check_file(path: str) -> None:
    if not os.path.isfile(path):  # an address, say, or a pipe, of which reading may never end
        problem = "is no ordinary file" if os.path.exists(path) else "does not exist"
        raise FaceSimError(f"{path} {problem}: give a video file, or the number of a camera.")
    try:
        open(path, "rb").close()
    except OSError as error:
        raise FaceSimError(f"{path} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def _plain_name(path: Path) -> Iterator[str]:
    """Give a name of a file that FFmpeg takes for no address, and that is text: by a link, where its own is none."""
    name = os.path.abspath(path)
    if name.isprintable():
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="facesim-") as folder:
        link = os.path.join(folder, f"video{path.suffix}")
        os.symlink(name, link)
        yield link


def _open_video(name: str) -> cv2.VideoCapture:
    """Open a video file; FFmpeg is told by the environment what it may do: OpenCV passes on nothing else."""
    with environment(**_FFMPEG):
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG)
