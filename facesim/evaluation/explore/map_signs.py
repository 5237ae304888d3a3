"""The signs of a map: a colour and a shape for each identity."""

from collections import Counter
from typing import NamedTuple

import numpy as np

LEGEND = 20  # identities: a longer legend is not drawn
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#17becf", "#e377c2", "#8c564b", "#bcbd22")


class Shape(NamedTuple):
    """A shape by its name in matplotlib and in Bokeh, and as a character."""

    matplotlib: str
    bokeh: str
    letter: str


_SHAPES = (
    Shape("o", "circle", "●"),
    Shape("s", "square", "■"),
    Shape("^", "triangle", "▲"),
    Shape("D", "diamond", "◆"),
    Shape("v", "inverted_triangle", "▼"),
    Shape("H", "hex", "⬢"),
)


class Sign(NamedTuple):
    colour: str
    shape: Shape


SIGNS = tuple(Sign(colour, shape) for shape in _SHAPES for colour in _COLOURS)
OTHERS = Sign("#8c8c8c", _SHAPES[0])  # of whoever is unknown, or has no sign of their own


def signs_of(identities: np.ndarray) -> dict[str, Sign]:
    """Give signs to the identities of the photos shown, `(n,) str`, in the order of their names.

    If there are more identities than signs, those with the most photos get one, provided they have two or more. So no
    two share a sign, and none is spent on somebody whose only photo has no other to lie close to.
    """
    counts = Counter(name for name in identities.tolist() if name)
    names = sorted(counts)
    if len(names) > len(SIGNS):
        names = sorted((name for name in names if counts[name] > 1), key=lambda name: -counts[name])
    return dict(zip(names, SIGNS, strict=False))


def legend_of(identities: np.ndarray) -> dict[str, Sign]:
    """Return the signs in the legend by name; none where they are too many, or where nobody is known."""
    names = np.unique(identities)
    signs = signs_of(identities)
    if len(names) > LEGEND or not signs:
        return {}
    return signs | ({"unknown": OTHERS} if "" in names else {})
