"""The token that requests need if others than this machine can reach the server."""

import ipaddress
from pathlib import Path

from facesim.errors import FaceSimError

MIN_TOKEN = 16  # characters


def check_token(host: str, token: str | None) -> None:
    """Raise FaceSimError where other machines could reach the server without a token, or where it is too short."""
    if token is None and not is_loopback(host):
        raise FaceSimError(f"other machines can reach {host}: give a token that they need, by --token-file.")
    if token is not None and len(token) < MIN_TOKEN:
        raise FaceSimError(f"a token can be guessed unless it is long: give one of {MIN_TOKEN} characters or more.")


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_in(path: Path) -> str:
    """Return the token in a file; raises FaceSimError where it cannot be read, or others may read it, too."""
    try:
        mode, token = path.stat().st_mode, path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise FaceSimError(f"{path} cannot be read as a token: name a file that holds one.") from error
    if mode & 0o077:
        raise FaceSimError(f"{path} can be read by others on this machine: chmod 600 {path}.")
    return token
