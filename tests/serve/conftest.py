"""A server that all tests share, where they need no other."""

import pytest

pytest.importorskip("starlette", reason="the extra serve is not installed")

from serving import running


@pytest.fixture(scope="session")
def client(verifier):
    """A client of a server without a gallery."""
    with running(verifier) as client:
        yield client
