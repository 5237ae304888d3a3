"""facesim: do these two photos show the same person?

from facesim import Verifier
verdict = Verifier().verify("a.jpg", "b.jpg")
verdict.same, verdict.distance, verdict.probability
"""

from facesim.errors import FaceSimError, NoFaceError
from facesim.model import Model
from facesim.verifier import FoundFace, Verdict, Verifier

__all__ = ["FaceSimError", "FoundFace", "Model", "NoFaceError", "Verdict", "Verifier"]
__version__ = "0.1.0"
