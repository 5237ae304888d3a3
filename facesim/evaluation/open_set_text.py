"""Say how a model did on an open set."""

import math

from facesim.evaluation.identification import Identification
from facesim.evaluation.metrics import TOO_FEW
from facesim.evaluation.wording import number, percent
from facesim.files import counted, printable


def as_text(found: Identification) -> str:
    """Say who was enrolled, who came, and how often the model erred."""
    rates, strangers = found.rates, counted(found.non_mated_people, "person", "people")
    lines = [
        f"judged on     {printable(found.trial)}",
        f"model         {printable(found.model)}",
        f"enrolled      {counted(found.enrolled, 'person', 'people')}, one photo each; {_seen(found)}",
        f"mated         {counted(found.mated, 'probe')} of {found.mated_people:,} of those enrolled{_most_each(found)}",
        f"non-mated     {counted(found.non_mated, 'probe')} of {strangers} not enrolled{_left_out(found)}",
        f"rank-1        {_measured(rates.rank1, rates.rank1_interval)}: the nearest face enrolled is the mated probe's "
        "own person",
        "",
        "threshold   FPIR: strangers named       FNIR: people missed         stored as",
    ]
    for at in rates.points:
        cells = (_measured(at.fpir, at.fpir_interval), _measured(at.fnir, at.fnir_interval))
        lines.append(f"{number(at.threshold):<11} " + "".join(f"{cell:<28}" for cell in cells) + printable(at.name))
    lines.append("")
    for fpir, at in rates.fnir_at_fpir.items():
        said = f"too few to say: {found.non_mated:,} non-mated probes, {math.ceil(TOO_FEW / fpir):,} are needed"
        if at is not None:
            said = f"{_measured(at.fnir, at.fnir_interval)}, at the threshold {number(at.threshold)}"
        lines.append(f"FNIR at FPIR {100 * fpir:g} %".ljust(20) + said)
    return "\n".join([*lines, *_without_face(found)])


def _seen(found: Identification) -> str:
    if not found.enrolled_seen:
        return "the model has seen none of them"
    return f"the model has seen {found.enrolled_seen:,} of them, who have no probes"


def _most_each(found: Identification) -> str:
    if found.most_each is None:
        return ", dealt out in rounds, one of each person a round"
    return f", {found.most_each} of each at most"


def _left_out(found: Identification) -> str:
    return f"; {found.left_out:,} have several photos, and were drawn not to be" if found.left_out else ""


def _without_face(found: Identification) -> list[str]:
    mated, non_mated = found.mated_without_face, found.non_mated_without_face
    lines = [
        f"no face             in {found.enrolled_without_face:,} of the photos enrolled, {mated:,} of the mated probes "
        f"(missed), {non_mated:,} of the non-mated (no false positives)"
    ]
    if found.mated_not_enrolled:
        count = counted(found.mated_not_enrolled, "probe")
        lines += [f"{'':20}{count} more missed, as the photo enrolled of their person shows none"]
    return lines


def _measured(rate: float, interval: tuple[float, float]) -> str:
    low, high = (percent(end).removesuffix(" %") for end in interval)
    return f"{percent(rate)} ({low} to {high})"
