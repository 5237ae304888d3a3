"""Embed thousands of photos, in a thread per core: Pillow, dlib and ONNX Runtime let go of Python's lock."""

import os
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from facesim.cores import cores
from facesim.detector.selection import EmbeddedPhoto
from facesim.errors import FaceSimError
from facesim.photo import PhotoSource

REMEMBERED = 2**16  # photos, of some 2 KB each
_PATHS_AHEAD = 4096  # groups
_PHOTOS_AHEAD = 16


def embed_groups(
    groups: Iterable[Sequence[PhotoSource]], embed: Callable[[PhotoSource], EmbeddedPhoto]
) -> Iterator[list[EmbeddedPhoto] | FaceSimError]:
    """Yield what `embed` makes of each group's photos, in order, as soon as it is there; or the error of one of them.

    Groups are read as they come, in a thread of their own and some ahead (4,096 of paths, 16 of other photos), and
    waited for only when there is nothing else to do. A path is embedded once, unless 65,536 others came between.
    """
    with _Embedder(embed) as embedder:
        arrivals = _arrivals(groups, embedder.closed)
        waiting: deque[list[Future]] = deque()
        ended, ahead = False, 1
        while waiting or not ended:
            while not ended and len(waiting) < ahead:
                try:
                    group = arrivals.get(block=not waiting)
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


def _ahead(group: Sequence[PhotoSource]) -> int:
    """Return how many groups like this one may be read ahead: paths are small, photos in memory are not."""
    return _PATHS_AHEAD if all(isinstance(photo, (str, os.PathLike)) for photo in group) else _PHOTOS_AHEAD


class _End(NamedTuple):
    error: BaseException | None


def _arrivals(items: Iterable[Sequence[PhotoSource]], closed: threading.Event) -> queue.SimpleQueue:
    """Read items in a thread of their own; after the last comes an `_End`, with the error that ended them, if any."""
    arrivals: queue.SimpleQueue = queue.SimpleQueue()

    def read() -> None:
        error = None
        try:
            for item in items:
                arrivals.put(item)
                if arrivals.qsize() >= _ahead(item):  # pause for long: taking turns item by item costs more than both
                    while arrivals.qsize() > _ahead(item) // 2 and not closed.wait(0.01):
                        pass
                if closed.is_set():
                    return
        except BaseException as raised:
            error = raised
        arrivals.put(_End(error))

    threading.Thread(target=read, daemon=True).start()
    return arrivals


class _Embedder:
    """Embeds photos in a thread per core, and remembers what became of the latest paths."""

    def __init__(self, embed: Callable[[PhotoSource], EmbeddedPhoto]):
        self._embed = embed
        self.closed = threading.Event()
        self._pool = ThreadPoolExecutor(cores())
        self._known: OrderedDict[str, Future[EmbeddedPhoto]] = OrderedDict()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed.set()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, photo: PhotoSource) -> "Future[EmbeddedPhoto]":
        if not isinstance(photo, (str, os.PathLike)):
            return self._pool.submit(self._embed, photo)
        photo = os.fspath(photo)
        if photo in self._known:
            self._known.move_to_end(photo)
        else:
            self._known[photo] = self._pool.submit(self._embed, photo)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[photo]
