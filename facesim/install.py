"""The command that installs an extra, which depends on how facesim itself was installed."""

from pathlib import Path

DISTRIBUTION = "facesim-verify"


def install_command(extra: str = "", package: Path = Path(__file__).parent) -> str:
    """Return the command that installs facesim, with or without an extra: from its checkout, if it runs from one."""
    extras = f"[{extra}]" if extra else ""
    checkout = (package.parent / "setup.cfg").is_file()
    return f"pip install -e '.{extras}'" if checkout else f"pip install '{DISTRIBUTION}{extras}'"
