"""Names and counts as they are printed."""


def printable(name: str) -> str:
    """Return the name of a file or folder as one line of text: on disk it may be no text, or hold line breaks."""
    return " ".join(name.encode(errors="replace").decode().split())


def shortened(name: str, letters: int) -> str:
    """Return a name as it can be printed, its end cut off where it is longer than `letters`."""
    name = printable(name)
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def pluralise(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: "1 face", "2,000 faces"."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
