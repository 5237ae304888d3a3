"""People's names: which spellings mean the same name."""

import unicodedata
from collections.abc import Iterable


def normalised(text: str) -> str:
    """Return text with composed letters: macOS writes file names with decomposed ones."""
    return unicodedata.normalize("NFC", text)


def name_key(name: str) -> str:
    """Return what all spellings of a name share: composed or decomposed letters, capitals or not, spaces around it."""
    return normalised(normalised(name).casefold()).strip()


class Spellings:
    """The first spelling of each name."""

    def __init__(self, names: Iterable[str] = ()):
        self._first: dict[str, str] = {}
        for name in names:
            self.first(name)

    def first(self, name: str) -> str:
        """Return the first spelling of a name, which may be this one."""
        return self._first.setdefault(name_key(name), name)
