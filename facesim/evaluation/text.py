"""Lay figures out as text, a line for each."""

import math

from facesim.evaluation.comparison import Comparison
from facesim.evaluation.formatting import number, percent, rate_text
from facesim.evaluation.groups import GroupRates, GroupReport, Rate, Ratio
from facesim.evaluation.identification import Identification
from facesim.evaluation.metrics import TOO_FEW
from facesim.evaluation.summary import Evaluation, FoldRates, Summary
from facesim.text import pluralise, printable


def evaluation_text(evaluation: Evaluation) -> str:
    """Say all that an evaluation found."""
    rates = evaluation.summary.rates
    people = "" if evaluation.people is None else f" of {evaluation.people:,} people"
    lines = [
        f"judged on     {printable(evaluation.protocol)}",
        f"pairs         {rates.genuine:,} genuine, {rates.impostor:,} impostor{people}",
        f"model         {printable(evaluation.model)}",
    ]
    if evaluation.people is None:
        lines += ["people        unknown: if the model was trained on some of them, the figures flatter it"]
    if evaluation.folds:
        lines += ["", *_folds(evaluation.folds, evaluation.strict_folds), "", "all folds together:"]
    lines += _summary(evaluation.summary, evaluation.threshold_from)
    if evaluation.groups:
        lines += ["", groups_text(evaluation.groups)]
    return "\n".join(lines)


def comparison_text(comparison: Comparison) -> str:
    """Say how two models did on the same pairs, and whether they differ."""
    rows = [("", "threshold", "F1", "accuracy", "FMR", "FNMR", "AUC")]
    for name, model in (("A", comparison.a), ("B", comparison.b)):
        rates = model.rates
        shares = (percent(share) for share in (rates.accuracy, rates.fmr, rates.fnmr))
        rows.append((name, number(rates.threshold), number(rates.f1), *shares, number(model.auc)))
    test = comparison.test
    lines = [
        f"judged on     {printable(comparison.protocol)}, each at its own threshold",
        f"pairs         {comparison.a.rates.genuine:,} genuine, {comparison.a.rates.impostor:,} impostor",
        f"A             {printable(comparison.model_a)}",
        f"B             {printable(comparison.model_b)}",
        "",
        *("".join(cell.ljust(12) for cell in row).rstrip() for row in rows),
        "",
        f"only A right  {test.only_a_right:,} of the pairs",
        f"only B right  {test.only_b_right:,} of the pairs",
        f"no face       in {comparison.without_face:,} of the pairs, counted as non-matches",
        f"B - A         {100 * test.difference:+.2f} points of accuracy "
        f"(95 %: {100 * test.interval[0]:+.2f} to {100 * test.interval[1]:+.2f})",
        f"McNemar       p = {test.p_value:.3g}: {_verdict(test.p_value)}",
    ]
    return "\n".join(lines)


def _verdict(p_value: float) -> str:
    return "more than chance, if pairs are independent" if p_value < 0.05 else "chance alone may do this"


def _folds(folds: FoldRates, strict: FoldRates) -> list[str]:
    lines = ["fold   threshold   accuracy   F1       FMR      FNMR"]
    for i, rates in enumerate(folds.folds, 1):
        shares = f"{percent(rates.accuracy):<10} {number(rates.f1):<8} {percent(rates.fmr):<8} {percent(rates.fnmr)}"
        lines.append(f"{i:<6} {number(rates.threshold):<11} {shares}")
    (accuracy, error), (f1, f1_error) = folds.mean("accuracy"), folds.mean("f1")
    lines += ["", f"accuracy      {percent(accuracy)} ± {percent(error)}: mean ± standard error of the folds"]
    lines += [f"F1            {number(f1)} ± {number(f1_error)}"]
    if strict != folds:
        (accuracy, error), (f1, f1_error) = strict.mean("accuracy"), strict.mean("f1")
        lines += ["were each pair without a face an error:"]
        lines += [f"accuracy      {percent(accuracy)} ± {percent(error)}"]
        lines += [f"F1            {number(f1)} ± {number(f1_error)}"]
    return lines


def _summary(summary: Summary, threshold_from: str) -> list[str]:
    rates = summary.rates
    lines = [
        f"threshold     {number(rates.threshold)}, from {threshold_from}",
        f"F1            {_measured(rates.f1, summary.f1_interval, number)}",
        f"accuracy      {_measured(rates.accuracy, summary.accuracy_interval, percent)}",
        f"FMR           {_measured(rates.fmr, summary.fmr_interval, percent)}, {rates.false_matches:,} false matches",
        f"FNMR          {_measured(rates.fnmr, summary.fnmr_interval, percent)}, "
        f"{rates.false_non_matches:,} false non-matches",
        f"AUC           {_measured(summary.auc, summary.auc_interval, number)}",
        f"EER           {_measured(summary.eer, summary.eer_interval, percent)}",
    ]
    for fmr, tar in summary.tars.items():
        said = f"too few pairs to say: {rates.impostor:,} impostor pairs, {math.ceil(TOO_FEW / fmr):,} are needed"
        if tar is not None:
            said = _measured(tar.tar, summary.tar_intervals[fmr], percent)
            said += f", at the threshold {number(tar.threshold)}"
        lines.append(f"TAR at {100 * fmr:g} %".ljust(13) + f" {said}")
    reliability = summary.reliability
    if not math.isnan(reliability.cllr):
        lines += [
            f"Cllr          {number(reliability.cllr)} bits: 0 is perfect, 1 is no better than always saying 50 %",
            f"ECE           {percent(reliability.expected_error)} between stated and observed probability",
        ]
    genuine, impostor = summary.genuine_without_face, summary.impostor_without_face
    lines += [f"no face       in {genuine + impostor:,} pairs ({genuine:,} genuine), counted as non-matches"]
    if impostor:
        strict = f"F1 {number(summary.strict.f1)}, accuracy {percent(summary.strict.accuracy)}"
        lines += [f"              if each were an error: {strict}"]
    return lines


def _measured(value: float, interval: tuple[float, float], show) -> str:
    """Say a measure and its interval, where the pairs can give one."""
    low, high = interval
    if math.isnan(value) or math.isnan(low) or low == high:
        return show(value)
    return f"{show(value)} ({show(low).removesuffix(' %')} to {show(high).removesuffix(' %')})"


def groups_text(report: GroupReport) -> str:
    """Say what each threshold costs each group, and how far the groups lie apart."""
    by = " and ".join(map(printable, report.by))
    lines = [f"errors by {by}, with 95 % intervals"]
    for at in report.points:
        rows = [("group", "people", "FMR", "of impostor pairs", "FNMR", "of genuine pairs")]
        rows += [_group_row(group) for group in at.groups]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += ["", f"{printable(at.name)}: threshold {number(at.threshold)}"]
        for row in rows:
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        for kind, ratio in (("FMR", at.fmr_ratio), ("FNMR", at.fnmr_ratio)):
            lines.append(f"max/min ratio of {kind} between groups: {ratio_text(ratio)}")
    return "\n".join(lines)


def _group_row(group: GroupRates) -> tuple[str, ...]:
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


def identification_text(found: Identification) -> str:
    """Say who was enrolled, who came, and how often the model erred."""
    rates, strangers = found.rates, pluralise(found.non_mated_people, "person", "people")
    lines = [
        f"judged on     {printable(found.protocol)}",
        f"model         {printable(found.model)}",
        f"enrolled      {pluralise(found.enrolled, 'person', 'people')}, one photo each; {_people_seen(found)}",
        f"mated         {pluralise(found.mated, 'probe')} of {found.mated_people:,} of those enrolled"
        + _most_each(found),
        f"non-mated     {pluralise(found.non_mated, 'probe')} of {strangers} not enrolled{_left_out(found)}",
        f"rank-1        {_measured(rates.rank1, rates.rank1_interval, percent)}: the nearest face enrolled is the "
        "mated probe's own person",
        "",
        "threshold   FPIR: strangers named       FNIR: people missed         stored as",
    ]
    for at in rates.points:
        cells = (_measured(at.fpir, at.fpir_interval, percent), _measured(at.fnir, at.fnir_interval, percent))
        lines.append(f"{number(at.threshold):<11} " + "".join(f"{cell:<28}" for cell in cells) + printable(at.name))
    lines.append("")
    for fpir, at in rates.fnir_at_fpir.items():
        said = f"too few to say: {found.non_mated:,} non-mated probes, {math.ceil(TOO_FEW / fpir):,} are needed"
        if at is not None:
            said = f"{_measured(at.fnir, at.fnir_interval, percent)}, at the threshold {number(at.threshold)}"
        lines.append(f"FNIR at FPIR {100 * fpir:g} %".ljust(20) + said)
    return "\n".join([*lines, *_without_face(found)])


def _people_seen(found: Identification) -> str:
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
        count = pluralise(found.mated_not_enrolled, "probe")
        lines += [f"{'':20}{count} more missed, as the photo enrolled of their person shows none"]
    return lines
