"""A calibration as text: who chose, what it changed, and what is missing."""

from facesim.evaluation.calibrate.calibrate import Calibrated
from facesim.evaluation.calibrate.check import FOLDS, CheckedRates
from facesim.evaluation.formatting import aligned, number, rate_text, with_interval
from facesim.model_info import OperatingPoint
from facesim.text import printable


def calibration_text(result: Calibrated) -> str:
    """Return everything that a calibration found, before against after."""
    chosen, checked = (_pairs(counts) for counts in (result.chosen_on, result.checked_on))
    if result.halves:
        who = "others" if result.by_identity else "other pairs"
        on = [f"chosen on     {chosen}", f"checked on    {who}: {checked}"]
    else:
        on = [
            f"chosen on     {chosen}, everybody: too few for halves",
            f"checked on    the same in {FOLDS} folds, each at the thresholds that the others choose",
        ]
    before_and_after = (result.before, result.after)
    slope, slope_before = result.calibration[1], result.calibration_before[1]
    lines = [
        f"calibrated    {printable(result.protocol)}",
        *on,
        f"threshold     {_moved(result)}",
        f"probability   slope {slope:.1f}, before {slope_before:.1f}; {result.calibration_weight:.0%} of it from "
        "these pairs, the rest from before",
        "",
        *aligned(
            [
                ["", f"before, at {number(result.threshold_before)}", f"after, at {number(result.choice.threshold)}"],
                ["F1", *(with_interval(rates.f1, rates.f1_interval, number) for rates in before_and_after)],
                ["FMR", *map(_fmr, before_and_after)],
                ["FNMR", *map(_fnmr, before_and_after)],
            ]
        ),
        "",
        *aligned(
            [
                ["operating point", "threshold", "FMR", "FNMR"],
                *(
                    [point.name, number(point.threshold), _fmr(point.rates), _fnmr(point.rates)]
                    for point in result.points
                ),
            ]
        ),
    ]
    kept = {point.name: point for point in result.kept}
    for name, count in result.missing.items():
        stored = f"is as before, {_kept(kept[name])}" if name in kept else "is not stored"
        lines.append(f"{name} {stored}: {count:,} more impostor pairs are needed to choose it")
    independent = "" if result.by_identity else "; pairs are taken as independent, as nobody knows who is on them"
    lines += [
        "",
        f"Intervals are 95 %, and F1 is taken as if half of the pairs were genuine{independent}.",
        f"model         {printable(result.model)}",
    ]
    return "\n".join(lines)


def _pairs(counts: dict[str, int | None]) -> str:
    people = "" if counts["people"] is None else f" of {counts['people']:,} people"
    return f"{counts['genuine']:,} genuine and {counts['impostor']:,} impostor pairs{people}"


def _kept(point: OperatingPoint) -> str:
    on = f" on {printable(point.data)}" if point.data else ""
    return f"threshold {number(point.threshold)}, with an FMR of {rate_text(point.fmr)}{on}"


def _moved(result: Calibrated) -> str:
    choice, before = result.choice, number(result.threshold_before)
    low, high = map(number, choice.interval)
    alone = f"these pairs alone say {number(choice.pairs_alone)} ({low} to {high})"
    if not choice.moved:
        return (
            f"{number(choice.threshold)} for {result.criterion}, as before: {alone}, too uncertain to tell them apart"
        )
    part = "" if choice.moved == 1 else f", {choice.moved:.0%} of the way there"
    return f"{number(choice.threshold)} for {result.criterion}, before {before}: {alone}{part}"


def _fmr(rates: CheckedRates) -> str:
    return with_interval(rates.fmr, rates.fmr_interval, rate_text)


def _fnmr(rates: CheckedRates) -> str:
    return with_interval(rates.fnmr, rates.fnmr_interval, rate_text)
