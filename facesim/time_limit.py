"""End a network's run that takes too long."""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import onnxruntime

_PAUSE = 0.1  # seconds from one look at the runs to the next


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[onnxruntime.RunOptions]:
    """Give the options for runs that are ended after so many `seconds` of both wall-clock and processor time.

    A process that was suspended uses no processor time, and one with many threads uses more of it than of the clock.
    Runs that were ended have `terminate` set in their options.
    """
    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    run = _Run(options, seconds, time.monotonic(), time.process_time())
    watchdog = _watchdog(os.getpid())
    watchdog.add(run)
    try:
        yield options
    finally:
        watchdog.remove(run)


class _Run(NamedTuple):
    options: onnxruntime.RunOptions
    limit: float
    clock: float  # as it began, in seconds
    processor: float

    def taken(self) -> float:
        return min(time.monotonic() - self.clock, time.process_time() - self.processor)


class _Watchdog:
    """Looks after all runs of a process by one thread: to start one for each run would take as long as a crop's look.

    It has no lock, which a fork could leave locked: adding to a dictionary and removing from it are atomic.
    """

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}
        self._awake = False

    def add(self, run: _Run) -> None:
        self._runs[id(run)] = run
        if not self._awake:
            self._awake = True
            threading.Thread(target=self._look, daemon=True).start()

    def remove(self, run: _Run) -> None:
        del self._runs[id(run)]

    def _look(self) -> None:
        while self._awake:
            time.sleep(_PAUSE)
            for run in list(self._runs.values()):
                if run.taken() >= run.limit:
                    run.options.terminate = True
            if not self._runs:
                self._awake = False
                self._awake = bool(self._runs)  # one that was added in between has found it awake


@functools.cache
def _watchdog(process: int) -> _Watchdog:
    """Return the one that looks after a process; a forked one has no thread of its parent's."""
    return _Watchdog()
