"""Join a Ray cluster, or start one on this machine, without a word on the terminal."""

import contextlib
import logging
import os
import re
import secrets
import socket
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Iterator
from typing import Any

import ray
import ray.data

from facesim.cores import cores
from facesim.environment import environment
from facesim.errors import FaceSimError

_TOKEN = secrets.token_hex(32)  # by which the processes of our own cluster know each other; Ray's own stays on disk
_PATIENCE = 5.0  # seconds in which a cluster must answer; Ray itself tries for minutes


@contextlib.contextmanager
def ray_cluster() -> Iterator[None]:
    """Be part of the cluster that RAY_ADDRESS names, or that the caller has joined already, or of one of our own."""
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise FaceSimError(
            f"Ray Data does not work through a remote client ({address}): run facesim on a machine of that cluster."
        )
    with contextlib.ExitStack() as stack:
        try:
            if match := re.fullmatch(r"(.+):(\d+)", address):
                socket.create_connection((match[1], int(match[2])), _PATIENCE).close()
            own = _own_cluster(stack) if address == "local" else {}
            with _quiet():
                ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except Exception as error:
            reason = in_one_line(error.__cause__ or error)
            raise FaceSimError(f"Ray cannot be reached at {address} ({reason}).") from error
        try:
            ray._private.worker._worker_logs_enabled = False  # else it reports each worker's death on stdout
            yield
        finally:
            ray.shutdown()
            ray._private.worker._worker_logs_enabled = True


def _own_cluster(stack: contextlib.ExitStack) -> dict[str, Any]:
    """Return the settings of a cluster that only this machine can reach, and whose logs are deleted with the stack.

    Without Ray's dashboard, which asks the network which cloud it runs in, even where it is to send nothing.
    """
    for owner, name, value in (
        (ray._private.services, "start_api_server", lambda *_, **__: (None, None)),
        (ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False),  # else it uses the machine's public address
    ):
        stack.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)
    # The first of these tells the processes that Ray starts the same as the constant.
    stack.enter_context(environment(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0", RAY_AUTH_TOKEN=_TOKEN))
    short = "/tmp" if sys.platform == "darwin" else None  # for the paths of sockets
    folder = tempfile.TemporaryDirectory(prefix="ray-", dir=short, ignore_cleanup_errors=True)
    return {"num_cpus": cores(), "_temp_dir": stack.enter_context(folder)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's messages off the terminal as it starts, and its logs off afterwards: what matters is raised."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    stderr = os.dup(2)
    with warnings.catch_warnings(action="ignore"), open(os.devnull, "wb") as nowhere:
        ray.data.DataContext.get_current().enable_progress_bars = False
        os.dup2(nowhere.fileno(), 2)  # its parts in C++ write there
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def in_one_line(error: BaseException) -> str:
    """Return the last line of an error's text: in Ray's, tracebacks come before it."""
    text = str(error).strip() or type(error).__name__
    return textwrap.shorten(text.splitlines()[-1], 500, placeholder=" …")
