"""Who may work when: a thread per core, and a bounded number of requests that wait for one."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from facesim.cores import cores
from facesim.serve.limits import MAX_HELD, MAX_WAITING, RETRY_AFTER
from facesim.serve.problems import RequestError

T = TypeVar("T")


class Workers:
    """The threads that embed photos, and the places of the requests that wait for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(cores(), "facesim")
        self._taken = self._held = 0

    @contextlib.contextmanager
    def place(self, size: int) -> Iterator[None]:
        """Hold a place for a request of `size` bytes; raises RequestError (503) where all are taken."""
        if self._taken >= MAX_WAITING or self._held + size > MAX_HELD:
            raise RequestError(503, "the server is busy: try again in a moment.", Retry_After=str(RETRY_AFTER))
        self._taken += 1
        self._held += size
        try:
            yield
        finally:
            self._taken -= 1
            self._held -= size

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Return what work(*args) does, run in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args))

    async def run_all(self, work: Callable[..., T], *calls: tuple) -> list[T]:
        """Return what `work` does for each call, once all have ended; raises the error of the first that failed."""
        done = await asyncio.gather(*(self.run(work, *args) for args in calls), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException):
                raise outcome
        return done  # type: ignore[return-value]  # no exceptions are left

    def close(self) -> None:
        """Let what runs end."""
        self._pool.shutdown()
