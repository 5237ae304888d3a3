"""The errors that facesim raises, and its warnings: each is a sentence that says what is wrong with which file."""


class FaceSimError(Exception):
    """Something a user can mend: a bad photo, a bad model file, a bad setting."""


class NoFaceError(FaceSimError):
    """A readable photo in which no face was found."""


class FaceSimWarning(UserWarning):
    """Something a user should know of, though the work goes on: what was passed over, say."""
