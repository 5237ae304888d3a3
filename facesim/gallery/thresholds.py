"""How near a face must be to be named, in a gallery of a given size."""

from facesim.errors import FaceSimError
from facesim.model_info import MIN_FALSE_MATCHES, ModelInfo, OperatingPoint
from facesim.text import pluralise

DEFAULT_FMR = 0.01  # the share of strangers that may be named, unless another is asked for


def default_threshold(info: ModelInfo, enrolled: int) -> float:
    """Return the threshold for `enrolled` people unless another is asked for: `threshold_among` for 1 % of strangers.

    Where the model has none so strict, it is the model's strictest; `strangers_named` says what that promises. It is
    never above the model's own threshold.
    """
    try:
        threshold = threshold_among(info, DEFAULT_FMR, enrolled)
    except FaceSimError:
        threshold = min((point.threshold for point in info.operating_points), default=info.threshold)
    return min(threshold, info.threshold)


def threshold_among(info: ModelInfo, fmr: float, enrolled: int) -> float:
    """Return a model's least strict threshold at which at most `fmr` of strangers match any of `enrolled` people.

    A stranger is compared with each person's template, so the model's own FMR must be at most `fmr` / `enrolled` there
    (Bonferroni's bound).

    Raises FaceSimError where the model has no threshold so strict.
    """
    if not 0 < fmr <= 1:
        raise FaceSimError(f"{fmr:g} is no false match rate: give one above 0, and up to 1.")
    strict = [point.threshold for point in info.operating_points if claimed_fmr(point) * enrolled <= fmr]
    if not strict:
        strictest = min((claimed_fmr(point) for point in info.operating_points), default=1.0)
        promise = f"the least that it can promise is {min(1, strictest * enrolled):.2g}"
        people = pluralise(enrolled, "enrolled person", "enrolled people")
        raise FaceSimError(
            f"a false match rate of {fmr:g} among {people} takes a threshold whose own is "
            f"{fmr / max(1, enrolled):.1g}; the model's strictest has {strictest:.1g}: {promise}."
        )
    return max(strict)


def strangers_named(info: ModelInfo, threshold: float, enrolled: int) -> float:
    """Return the share of strangers that match any of `enrolled` people, by the model's FMR at the threshold."""
    rates = [claimed_fmr(point) for point in info.operating_points if point.threshold >= threshold]
    return 1 - (1 - min(rates, default=1.0)) ** enrolled


def claimed_fmr(point: OperatingPoint) -> float:
    """Return an operating point's FMR, but none so low that it would rest on too few false matches."""
    return max(point.fmr, MIN_FALSE_MATCHES / max(1, point.impostor))
