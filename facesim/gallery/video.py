"""Read the frames of a camera or a video file, and write videos."""

import contextlib
import itertools
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from facesim.environment import environment
from facesim.errors import FaceSimError
from facesim.files import write_whole
from facesim.gallery.video_file import check_source, is_camera

MAX_PIXELS = 36_000_000  # of a frame, 8K and a little more: a decoder holds up to about twenty frames
_RATES = (0.1, 240.0)  # frames per second that we write
_DEFAULT_RATE = 25.0  # frames per second, where a camera or a video states none

_INSTANT = 0.002  # seconds; a frame that arrives faster was waiting in the queue
_MAX_QUEUED = 16  # frames in a camera's queue
_MAX_MISSING, _MAX_MISSING_SHARE = 1.0, 0.05  # seconds, and share of its length, that a video may lack at its end
_MAX_STILL = 60.0  # seconds that a written picture is shown: in a damaged video, times may leap

# Files may come from strangers, and FFmpeg reads playlists, which make it open other files and addresses. So it may
# read local files only, and only formats that contain their pictures themselves.
_FORMATS = "mov,matroska,avi,mpeg,mpegts,flv,asf,ogg"
_FFMPEG = {
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": f"protocol_whitelist;file|format_whitelist;{_FORMATS}",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",  # quiet: our own errors say what is wrong with a file
}


class Frame(NamedTuple):
    """A picture of a video."""

    number: int  # from 0
    seconds: float  # into the video; of a camera, since it was opened
    pixels: np.ndarray  # RGB, (h, w, 3) uint8


class CutShortError(FaceSimError):
    """A video or a camera ended too early; the frames before that have been yielded."""


class Video:
    """A camera of this machine, by its number such as "0", or a video file: `with Video(…) as video`; see `frames`.

    `rate` is what it states itself, in frames per second; `count` is a file's approximate number of frames, or None.
    """

    def __init__(self, source: str | os.PathLike[str]):
        """Open it; raises FaceSimError where there is no such camera or file, or no video in the file."""
        source = os.fspath(source)
        self.is_camera = is_camera(source)
        self.name = f"camera {source}" if self.is_camera else source
        if self.is_camera:
            self._capture = cv2.VideoCapture(int(source))
            refusal = "cannot be opened: is it connected, and used by no other program? 0 is the first camera"
        else:
            check_source(source)
            with _plain_name(Path(source)) as name:
                self._capture = _open_video(name)
            refusal = "is not a video that facesim can read (MP4, MOV, MKV, WebM, AVI, …), or is damaged"
        if not self._capture.isOpened():
            raise FaceSimError(f"{self.name} {refusal}.")
        width, height = (int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            most = f"{MAX_PIXELS // 10**6} million pixels"
            raise FaceSimError(f"{self.name} has frames of {width}×{height}, more than {most}: reduce them first.")
        rate, count = self._capture.get(cv2.CAP_PROP_FPS), self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = rate if 0 < rate < math.inf else _DEFAULT_RATE
        self.count = int(count) if 0 < count < math.inf and not self.is_camera else None
        self._opened = time.monotonic()

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def frames(self, every: float = 0.0) -> Iterator[Frame]:
        """Yield the frames, or only some of them, at least `every` seconds apart.

        Of a camera, the latest frame is yielded: those that have queued up since the last one are skipped.

        Raises FaceSimError where there is no frame, and CutShortError at an end that came too early.
        """
        seconds, last = 0.0, -math.inf
        for number in itertools.count():
            if not self._grab():
                break
            seconds = self._seconds()
            if 0 <= seconds - last < every - 0.0005:  # times are rounded to a thousandth
                continue
            decoded, pixels = self._capture.retrieve()
            if not decoded:
                break
            last = seconds
            yield Frame(number, seconds, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        self._check_end(number, seconds)

    def _grab(self) -> bool:
        """Go to the next frame; of a camera, to the first that was not queued already."""
        for _ in range(_MAX_QUEUED if self.is_camera else 1):
            start = time.monotonic()
            if not self._capture.grab():
                return False
            if time.monotonic() - start > _INSTANT:
                break
        return True

    def _seconds(self) -> float:
        seconds = time.monotonic() - self._opened if self.is_camera else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return round(seconds, 3)

    def _check_end(self, count: int, seconds: float) -> None:
        if self.is_camera:
            raise CutShortError(f"{self.name} gives no more pictures: is it still connected?")
        if count == 0:
            raise FaceSimError(f"{self.name} holds no frame that can be read: get a whole copy.")
        length = (self.count or 0) / self.rate
        if length - seconds > _MAX_MISSING + _MAX_MISSING_SHARE * length:
            raise CutShortError(
                f"{self.name} ends after {seconds:.1f} of its {length:.1f} seconds: it is damaged or cut short; get a "
                "whole copy."
            )


class VideoWriter:
    """Writes an MP4 video: `add` pictures, each of which is shown until the next one's time."""

    def __init__(self, name: str, rate: float):
        self._name, self._rate = name, round(min(max(rate, _RATES[0]), _RATES[1]), 3)
        self._file: cv2.VideoWriter | None = None
        self._last: np.ndarray = np.empty((0, 0, 3), np.uint8)
        self._start = 0.0
        self.written = 0

    def add(self, picture: Image.Image, seconds: float) -> None:
        """Add a picture, to be shown from `seconds` on; all have the same size."""
        if self._file is None:
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._file = cv2.VideoWriter(self._name, cv2.CAP_FFMPEG, code, self._rate, picture.size)
            self._start = seconds
        behind = round(min((seconds - self._start) * self._rate - self.written, _MAX_STILL * self._rate))
        pixels = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2BGR)
        for frame in (*itertools.repeat(self._last, behind), pixels):
            self._file.write(frame)
            self.written += 1
        self._last = pixels

    def close(self) -> None:
        """Finish the video."""
        if self._file is not None:
            self._file.release()


@contextlib.contextmanager
def write_video(path: Path, rate: float) -> Iterator[VideoWriter]:
    """Provide a writer of a video; the file appears, complete, once the block has succeeded.

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
        if not _open_video(name).isOpened():  # OpenCV does not report that it could not write
            raise FaceSimError(f"{path} cannot be written: is the disk full?")


@contextlib.contextmanager
def _plain_name(path: Path) -> Iterator[str]:
    """Provide a name of a file that is text, and that FFmpeg does not take for an address; a link, if need be."""
    name = os.path.abspath(path)
    if name.isprintable():
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="facesim-") as folder:
        link = os.path.join(folder, f"video{path.suffix}")
        os.symlink(name, link)
        yield link


def _open_video(name: str) -> cv2.VideoCapture:
    """Open a video file; OpenCV passes FFmpeg's options on only from environment variables."""
    with environment(**_FFMPEG):
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG)
