"""Reports as text, one line per figure."""

import math

from facesim.evaluation.comparison import Comparison
from facesim.evaluation.formatting import aligned, number, percent, rate_text, with_interval
from facesim.evaluation.groups import GroupReport, Rate, Ratio
from facesim.evaluation.identification import Identification
from facesim.evaluation.metrics import pairs_needed
from facesim.evaluation.summary import Evaluation, FoldRates, Summary
from facesim.text import pluralise, printable


def evaluation_text(evaluation: Evaluation) -> str:
    """Return everything that an evaluation found."""
    rates = evaluation.summary.rates
    people = "" if evaluation.people is None else f" of {evaluation.people:,} people"
    lines = [
        f"evaluated on  {printable(evaluation.protocol)}",
        f"pairs         {rates.genuine:,} genuine, {rates.impostor:,} impostor{people}",
        f"model         {printable(evaluation.model)}",
    ]
    if evaluation.people is None:
        lines += ["people        unknown: if the model was trained on some of them, these figures are too good"]
    if evaluation.folds and evaluation.strict_folds:
        lines += ["", *_folds(evaluation.folds, evaluation.strict_folds), "", "all folds together:"]
    lines += _summary(evaluation.summary, evaluation.threshold_from)
    if evaluation.groups:
        lines += ["", groups_text(evaluation.groups)]
    return "\n".join(lines)


def comparison_text(comparison: Comparison) -> str:
    """Return how two models did on the same pairs, and whether they differ."""
    rows = [["", "threshold", "F1", "accuracy", "FMR", "FNMR", "AUC"]]
    for name, model in (("A", comparison.a), ("B", comparison.b)):
        rates = model.rates
        shares = [percent(share) for share in (rates.accuracy, rates.fmr, rates.fnmr)]
        rows.append([name, number(rates.threshold), number(rates.f1), *shares, number(model.auc)])
    test = comparison.test
    verdict = "more than chance, if pairs are independent" if test.p_value < 0.05 else "may be chance alone"
    lines = [
        f"evaluated on  {printable(comparison.protocol)}, each model at its own threshold",
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
        f"McNemar       p = {test.p_value:.3g}: {verdict}",
    ]
    return "\n".join(lines)


def _folds(folds: FoldRates, strict: FoldRates) -> list[str]:
    lines = ["fold   threshold   accuracy   F1       FMR      FNMR"]
    for i, rates in enumerate(folds.folds, 1):
        shares = f"{percent(rates.accuracy):<10} {number(rates.f1):<8} {percent(rates.fmr):<8} {percent(rates.fnmr)}"
        lines.append(f"{i:<6} {number(rates.threshold):<11} {shares}")
    lines += ["", *_means(folds, ": mean ± standard error over the folds")]
    if strict != folds:
        lines += ["if each pair without a face were an error:", *_means(strict)]
    return lines


def _means(folds: FoldRates, note: str = "") -> list[str]:
    (accuracy, error), (f1, f1_error) = folds.mean("accuracy"), folds.mean("f1")
    return [
        f"accuracy      {percent(accuracy)} ± {percent(error)}{note}",
        f"F1            {number(f1)} ± {number(f1_error)}",
    ]


def _summary(summary: Summary, threshold_from: str) -> list[str]:
    rates = summary.rates
    fmr = with_interval(rates.fmr, summary.fmr_interval, percent)
    fnmr = with_interval(rates.fnmr, summary.fnmr_interval, percent)
    lines = [
        f"threshold     {number(rates.threshold)}, from {threshold_from}",
        f"F1            {with_interval(rates.f1, summary.f1_interval, number)}",
        f"accuracy      {with_interval(rates.accuracy, summary.accuracy_interval, percent)}",
        f"FMR           {fmr}, {rates.false_matches:,} false matches",
        f"FNMR          {fnmr}, {rates.false_non_matches:,} false non-matches",
        f"AUC           {with_interval(summary.auc, summary.auc_interval, number)}",
        f"EER           {with_interval(summary.eer, summary.eer_interval, percent)}",
    ]
    for at_fmr, tar in summary.tars.items():
        text, interval = _too_few(rates.impostor, "impostor pairs", at_fmr), summary.tar_intervals[at_fmr]
        if tar and interval:
            text = f"{with_interval(tar.tar, interval, percent)}, at threshold {number(tar.threshold)}"
        lines.append(f"TAR at {100 * at_fmr:g} %".ljust(14) + text)
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


def _too_few(count: int, kind: str, rate: float) -> str:
    return f"too few to say: {count:,} {kind}, {pairs_needed(rate):,} are needed"


def groups_text(report: GroupReport) -> str:
    """Return each group's error rates at each threshold, and how far they differ."""
    by = " and ".join(map(printable, report.by))
    lines = [f"errors by {by}, with 95 % intervals"]
    for at in report.points:
        rows = [["group", "people", "FMR", "of impostor pairs", "FNMR", "of genuine pairs"]]
        for group in at.groups:
            people = "–" if group.people is None else f"{group.people:,}"
            cells = [cell for rate in (group.fmr, group.fnmr) for cell in (rate_in_words(rate), f"{rate.pairs:,}")]
            rows.append([printable(group.group), people, *cells])
        lines += ["", f"{printable(at.name)}: threshold {number(at.threshold)}", *aligned(rows)]
        for kind, ratio in (("FMR", at.fmr_ratio), ("FNMR", at.fnmr_ratio)):
            lines.append(f"max/min ratio of {kind} between groups: {ratio_text(ratio)}")
    return "\n".join(lines)


def rate_in_words(rate: Rate) -> str:
    """Return a rate and its interval, or that its pairs are too few."""
    if rate.rate is None or rate.interval is None:
        return f"too few pairs to say ({rate.pairs:,})"
    return with_interval(rate.rate, rate.interval, rate_text)


def ratio_text(ratio: Ratio | None) -> str:
    """Return the ratio of the worst group's rate to the best group's, and which groups these are."""
    if ratio is None:
        return "too few pairs or errors to say"
    value = f"{ratio.ratio:,.1f}" if ratio.ratio < 10 else f"{ratio.ratio:,.0f}"
    least = "at least " if ratio.at_least else ""
    return f"{least}{value} ({printable(ratio.worst)} to {printable(ratio.best)})"


def identification_text(found: Identification) -> str:
    """Return who was enrolled, which probes were searched for, and how often the model erred."""
    rates, mated, non_mated = found.rates, found.mated_without_face, found.non_mated_without_face
    seen = f"{found.enrolled_seen:,} of them, who have no probes" if found.enrolled_seen else "none of them"
    limit = "dealt out in rounds, one of each person per round"
    if found.most_each:
        limit = f"{found.most_each} of each at most"
    left_out = f"; {found.left_out:,} of them have several photos (drawn at random)" if found.left_out else ""
    others = pluralise(found.non_mated_people, "person", "people")
    rank1 = with_interval(rates.rank1, rates.rank1_interval, percent)
    lines = [
        f"evaluated on  {printable(found.protocol)}",
        f"model         {printable(found.model)}",
        f"enrolled      {pluralise(found.enrolled, 'person', 'people')}, one photo each; the model has seen {seen}",
        f"mated         {pluralise(found.mated, 'probe')} of {found.mated_people:,} of those enrolled, {limit}",
        f"non-mated     {pluralise(found.non_mated, 'probe')} of {others} not enrolled{left_out}",
        f"rank-1        {rank1} of mated probes are nearest to their own person",
        "",
        "threshold   FPIR: strangers named       FNIR: people missed         stored as",
    ]
    for at in rates.points:
        cells = (with_interval(at.fpir, at.fpir_interval, percent), with_interval(at.fnir, at.fnir_interval, percent))
        default = "; identify's default" if number(at.threshold) == number(found.default_threshold) else ""
        stored = printable(at.name) + default
        lines.append(f"{number(at.threshold):<11} " + "".join(f"{cell:<28}" for cell in cells) + stored)
    lines.append("")
    for fpir, fnir in rates.fnir_at_fpir.items():
        text = _too_few(found.non_mated, "non-mated probes", fpir)
        if fnir is not None:
            text = f"{with_interval(fnir.fnir, fnir.fnir_interval, percent)}, at threshold {number(fnir.threshold)}"
        lines.append(f"FNIR at FPIR {100 * fpir:g} %".ljust(20) + text)
    lines += [
        f"no face             in {found.enrolled_without_face:,} of the enrolled photos, {mated:,} of the mated probes "
        f"(missed), {non_mated:,} of the non-mated (no false positives)"
    ]
    if found.mated_not_enrolled:
        more = pluralise(found.mated_not_enrolled, "more probe")
        lines += [f"{'':20}{more} missed: the enrolled photo of that person shows no face"]
    return "\n".join(lines)
