"""Embed thousands of photos in threads: Pillow, dlib and ONNX Runtime release the GIL."""

import os
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import Image

from facesim.cores import cores
from facesim.detector.selection import EmbeddedPhoto
from facesim.errors import FaceSimError
from facesim.photo import Photo, PhotoSource, is_path, take_photos
from facesim.photo_file import file_state

REMEMBERED = 2**16  # photos, of some 2 KB each
MAX_HELD = 2**29  # bytes of photos in memory that wait to be submitted, and again of those that wait to be embedded
_PATHS_AHEAD = 4096  # groups
_PHOTOS_AHEAD = 16


def embed_groups(
    groups: Iterable[Sequence[PhotoSource]],
    embed: Callable[[PhotoSource | Photo], EmbeddedPhoto],
    threads: int | None = None,
    unique: bool = False,
) -> Iterator[list[EmbeddedPhoto] | FaceSimError]:
    """Yield what `embed` makes of each group's photos, in order, as soon as it is ready; or the error of one of them.

    It runs in so many `threads`, as `Model.threads` gives them, or in one per core.

    A thread of its own reads groups ahead (4,096 of paths; 16 of photos in memory, fewer of large ones). A photo in
    memory is copied as its group is read. A path is embedded once, unless its file has changed, it failed, or 65,536
    others came in between; if all paths are `unique`, nothing is remembered, which saves memory.
    """
    with _Embedder(embed, threads or cores(), remembers=not unique) as embedder:
        prefetched = _prefetch(groups, embedder.closed)
        waiting: deque[list[Future]] = deque()
        ended, ahead = False, 1
        while waiting or not ended:
            while not ended and len(waiting) < ahead:
                try:
                    group = prefetched.get(block=not waiting)
                except queue.Empty:
                    break
                ended = isinstance(group, _End)
                if not ended:
                    ahead = _ahead(group)
                    waiting.append([embedder.submit(photo) for photo in group])
            if waiting:
                try:
                    yield [photo.result() for photo in waiting.popleft()]
                except FaceSimError as error:
                    yield error
        if group.error:
            raise group.error


def one_by_one(photos: Iterable[PhotoSource]) -> Iterator[tuple[PhotoSource]]:
    """Yield each photo as a group of its own; raises FaceSimError where a single photo was given instead of many."""
    array = isinstance(photos, np.ndarray) and photos.ndim < 4 and photos.dtype.kind in "biuf"
    if array or is_path(photos) or isinstance(photos, (bytes, bytearray, Image.Image)) or hasattr(photos, "read"):
        raise FaceSimError("a single photo was given where many are asked for: give a list of photos.")
    return ((photo,) for photo in photos)


def _ahead(group: Sequence[PhotoSource | Photo | FaceSimError]) -> int:
    """Return how many groups like this one to read ahead: paths are small, photos in memory are not."""
    held = sum(photo.held for photo in group if isinstance(photo, Photo))
    return max(2, min(_PHOTOS_AHEAD, MAX_HELD // held)) if held else _PATHS_AHEAD


class _End(NamedTuple):
    error: BaseException | None


def _prefetch(groups: Iterable[Sequence[PhotoSource]], closed: threading.Event) -> queue.SimpleQueue:
    """Read groups in a thread of its own, and copy their photos; the error of one that failed stands in its place.

    After the last comes an `_End`, with the error that ended them, if any.
    """
    prefetched: queue.SimpleQueue = queue.SimpleQueue()

    def read() -> None:
        error = None
        try:
            for number, group in enumerate(groups, 1):
                taken: Sequence[PhotoSource | Photo | FaceSimError]
                try:
                    taken = take_photos(group, number)
                except FaceSimError as failure:
                    taken = [failure]
                prefetched.put(taken)
                ahead = _ahead(taken)
                if prefetched.qsize() >= ahead:  # pause long: switching threads for each group costs more than the work
                    while prefetched.qsize() > ahead // 2 and not closed.wait(0.01):
                        pass
                if closed.is_set():
                    return
        except BaseException as raised:
            error = raised
        prefetched.put(_End(error))

    threading.Thread(target=read, daemon=True).start()
    return prefetched


class _Embedder:
    """Embeds photos in threads, and remembers the results of the latest files."""

    def __init__(self, embed: Callable[[PhotoSource | Photo], EmbeddedPhoto], threads: int, remembers: bool):
        self._embed, self._remembers = embed, remembers
        self.closed = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._known: OrderedDict[tuple, Future[EmbeddedPhoto]] = OrderedDict()  # by path and state
        self._lock = threading.Lock()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed.set()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, photo: PhotoSource | Photo | FaceSimError) -> "Future[EmbeddedPhoto]":
        if isinstance(photo, FaceSimError):
            failed: Future[EmbeddedPhoto] = Future()
            failed.set_exception(photo)
            return failed
        if not self._remembers or not is_path(photo):
            return self._pool.submit(self._embed, photo)
        path = os.fspath(photo)
        key = path, _state(path)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._pool.submit(self._embed_file, *key)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def _embed_file(self, path: str, state: tuple | None) -> EmbeddedPhoto:
        """Embed a file, and forget the result if that failed or the file is no longer in `state`."""
        kept = False
        try:
            embedded = self._embed(path)
            kept = state is not None and _state(path) == state
            return embedded
        finally:
            if not kept:
                with self._lock:
                    self._known.pop((path, state), None)


def _state(path: str) -> tuple | None:
    try:
        return file_state(os.stat(path))
    except (OSError, ValueError):  # opening the file will report it
        return None
