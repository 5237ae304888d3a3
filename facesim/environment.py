"""Environment variables, which are the only way to configure some libraries."""

import contextlib
import os
from collections.abc import Iterator

DEBUG = "FACESIM_DEBUG"  # if it is set, an error comes with its traceback


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the block, for this process and those that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
