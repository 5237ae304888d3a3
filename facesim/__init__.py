"""facesim: do these two photos show the same person?

from facesim import Verifier
verdict = Verifier().verify("a.jpg", "b.jpg")
verdict.same, verdict.distance, verdict.probability
"""

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facesim.detector.box import Box
    from facesim.detector.selection import FoundFace
    from facesim.errors import FaceSimError, NoFaceError
    from facesim.model import Model
    from facesim.verifier import Embedded, Verdict, Verifier

__all__ = ["Box", "Embedded", "FaceSimError", "FoundFace", "Model", "NoFaceError", "Verdict", "Verifier"]
__version__ = "0.1.0"
_HOMES = {
    "Box": "detector.box",
    "Embedded": "verifier",
    "FaceSimError": "errors",
    "FoundFace": "detector.selection",
    "Model": "model",
    "NoFaceError": "errors",
    "Verdict": "verifier",
    "Verifier": "verifier",
}

# Nothing leaves the machine: these libraries read whether to send usage statistics when they are imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def __getattr__(name: str) -> object:
    """Import a name's module when it is first used, so that a command loads no more than it needs."""
    if name not in _HOMES:
        raise AttributeError(f"module 'facesim' has no attribute {name!r}")
    return getattr(importlib.import_module(f"facesim.{_HOMES[name]}"), name)
