"""Checks on values that JSON holds: each returns the value, or raises ValueError or TypeError."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def exactly(expected: T) -> Callable[[Any], T]:
    def check(value: Any) -> T:
        if value != expected:
            raise ValueError(f"{value} is not {expected}")
        return value

    return check


def number(value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    if not low <= value <= high:
        raise ValueError(f"{value} is not within {low} to {high}")
    return float(value)


def count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value} is not a count")
    return value


def of_kind(kind: type[T]) -> Callable[[Any], T]:
    def check(value: Any) -> T:
        if not isinstance(value, kind):
            raise TypeError(f"{value} is not a {kind.__name__}")
        return value

    return check


text, a_list, an_object = of_kind(str), of_kind(list), of_kind(dict)


def list_of(kind: type[T], checks: dict[str, Callable[[Any], Any]], most: int) -> Callable[[Any], tuple[T, ...]]:
    def check(value: Any) -> tuple[T, ...]:
        if len(a_list(value)) > most:
            raise ValueError(f"{len(value)} entries are too many")
        return tuple(kind(**{name: checks[name](field) for name, field in an_object(item).items()}) for item in value)

    return check


def texts(value: Any) -> None:
    if not all(isinstance(text, str) for text in a_list(value)):
        raise TypeError("that is not a list of texts")
