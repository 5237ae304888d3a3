"""Lay errors by group out as text: a table for each threshold."""

from facesim.evaluation.groups import GroupRates, GroupReport, Rate, Ratio
from facesim.evaluation.wording import number, rate_text
from facesim.files import printable


def groups_text(report: GroupReport) -> str:
    """Say what each threshold costs each group, and how far the groups lie apart."""
    by = " and ".join(map(printable, report.by))
    lines = [f"errors by {by}, with 95 % intervals"]
    for at in report.points:
        rows = [("group", "people", "FMR", "of impostor pairs", "FNMR", "of genuine pairs")]
        rows += [_row(group) for group in at.groups]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", f"{printable(at.name)}: threshold {number(at.threshold)}"]
        for row in rows:
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for kind, ratio in (("FMR", at.fmr_ratio), ("FNMR", at.fnmr_ratio)):
            lines.append(f"max/min ratio of {kind} between groups: {ratio_text(ratio)}")
    return "\n".join(lines)


def _row(group: GroupRates) -> tuple[str, ...]:
    people = "–" if group.people is None else f"{group.people:,}"
    rates = ((rate_in_words(rate), f"{rate.pairs:,}") for rate in (group.fmr, group.fnmr))
    return (printable(group.group), people, *(cell for cells in rates for cell in cells))


def rate_in_words(rate: Rate) -> str:
    """Say a rate and its interval, or that its pairs are too few."""
    if rate.rate is None:
        return f"too few pairs to say ({rate.pairs:,})"
    low, high = map(rate_text, rate.interval)
    return f"{rate_text(rate.rate)} ({low.removesuffix(' %')} to {high.removesuffix(' %')})"


def ratio_text(ratio: Ratio | None) -> str:
    """Say the ratio of the worst group's rate to the best group's, and which these are."""
    if ratio is None:
        return "too few pairs or errors to say"
    value = f"{ratio.ratio:,.1f}" if ratio.ratio < 10 else f"{ratio.ratio:,.0f}"
    least = "at least " if ratio.at_least else ""
    return f"{least}{value} ({printable(ratio.worst)} to {printable(ratio.best)})"
