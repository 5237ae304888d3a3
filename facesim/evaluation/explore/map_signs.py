"""The signs of a map: a colour and a shape for each identity, and the words that go with them."""

from collections import Counter
from typing import NamedTuple

import numpy as np

LEGEND = 20  # identities: a longer legend is a list
_COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#17becf", "#e377c2", "#8c564b", "#bcbd22")


class Shape(NamedTuple):
    """A shape by its name in matplotlib and in Bokeh, and as a letter."""

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
OTHERS = Sign("#8c8c8c", _SHAPES[0])  # unknown, or without a sign of their own


def signs_of(identities: np.ndarray) -> dict[str, Sign]:
    """Deal out signs to the identities of the photos shown, `(n,) str`, in the order of their names.

    Where there are more identities than signs, those with the most photos get one, if they have two or more, most
    photos first. So no two share a sign, and none is spent on somebody who has no photo to be near to.
    """
    counts = Counter(name for name in identities.tolist() if name)
    names = sorted(counts)
    if len(names) > len(SIGNS):
        names = sorted((name for name in names if counts[name] > 1), key=lambda name: -counts[name])
    return dict(zip(names, SIGNS, strict=False))


def legend_of(identities: np.ndarray) -> dict[str, Sign]:
    """Return what the legend says, name by name: nothing where it would be a list, or where nobody is known."""
    names = np.unique(identities)
    signs = signs_of(identities)
    if len(names) > LEGEND or not signs:
        return {}
    return signs | ({"unknown": OTHERS} if "" in names else {})
