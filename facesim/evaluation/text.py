"""Lay figures out as text, a line for each."""

import math

from facesim.evaluation.comparison import Comparison
from facesim.evaluation.evaluate import Evaluation
from facesim.evaluation.metrics import TOO_FEW
from facesim.evaluation.summary import FoldRates, Summary
from facesim.evaluation.wording import number, percent


def evaluation_text(evaluation: Evaluation) -> str:
    """Say all that an evaluation found."""
    rates = evaluation.summary.rates
    people = "" if evaluation.people is None else f" of {evaluation.people:,} people"
    lines = [
        f"judged on     {evaluation.trial}",
        f"pairs         {rates.genuine:,} genuine, {rates.impostor:,} impostor{people}",
        f"model         {evaluation.model}",
    ]
    if evaluation.folds:
        lines += ["", *_folds(evaluation.folds, evaluation.strict_folds), "", "all folds together:"]
    return "\n".join([*lines, *_summary(evaluation.summary, evaluation.threshold_from)])


def comparison_text(comparison: Comparison) -> str:
    """Say how two models did on the same pairs, and whether they differ."""
    rows = [("", "threshold", "F1", "accuracy", "FMR", "FNMR", "AUC")]
    for name, model in (("A", comparison.a), ("B", comparison.b)):
        rates = model.rates
        shares = (percent(share) for share in (rates.accuracy, rates.fmr, rates.fnmr))
        rows.append((name, number(rates.threshold), number(rates.f1), *shares, number(model.auc)))
    test = comparison.test
    lines = [
        f"judged on     {comparison.trial}",
        f"pairs         {comparison.a.rates.genuine:,} genuine, {comparison.a.rates.impostor:,} impostor",
        f"A             {comparison.model_a}",
        f"B             {comparison.model_b}",
        "",
        *("".join(cell.ljust(12) for cell in row).rstrip() for row in rows),
        "",
        f"only A right  {test.only_a_right:,} of the pairs",
        f"only B right  {test.only_b_right:,} of the pairs",
        f"B − A         {100 * test.difference:+.2f} points of accuracy "
        f"(95 %: {100 * test.interval[0]:+.2f} to {100 * test.interval[1]:+.2f})",
        f"McNemar       p = {test.p_value:.3g}: {_verdict(test.p_value)}",
    ]
    return "\n".join(lines)


def _verdict(p_value: float) -> str:
    return "the models differ" if p_value < 0.05 else "no difference shown: chance alone may do this"


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
        f"F1            {number(rates.f1)}{_between(summary.f1_interval, number)}",
        f"accuracy      {percent(rates.accuracy)}{_between(summary.accuracy_interval, percent)}",
        f"FMR           {percent(rates.fmr)}{_between(summary.fmr_interval, percent)}, "
        f"{rates.false_matches:,} false matches",
        f"FNMR          {percent(rates.fnmr)}{_between(summary.fnmr_interval, percent)}, "
        f"{rates.false_non_matches:,} false non-matches",
        f"AUC           {number(summary.auc)}{_between(summary.auc_interval, number)}",
        f"EER           {percent(summary.eer)}{_between(summary.eer_interval, percent)}",
    ]
    for fmr, tar in summary.tars.items():
        said = f"too few pairs to say: {rates.impostor:,} impostor pairs, {math.ceil(TOO_FEW / fmr):,} are needed"
        if tar is not None:
            between = _between(summary.tar_intervals[fmr], percent)
            said = f"{percent(tar.tar)}{between}, at the threshold {number(tar.threshold)}"
        lines.append(f"TAR at {100 * fmr:g} %".ljust(14) + said)
    reliability = summary.reliability
    lines += [
        f"Cllr          {number(reliability.cllr)} bits: what the probability leaves unsaid; knowing nothing costs 1",
        f"ECE           {percent(reliability.expected_error)} between the probability stated and what is so",
    ]
    genuine, impostor = summary.genuine_without_face, summary.impostor_without_face
    lines += [f"no face       in {genuine + impostor:,} pairs ({genuine:,} genuine), counted as non-matches"]
    if impostor:
        strict = f"F1 {number(summary.strict.f1)}, accuracy {percent(summary.strict.accuracy)}"
        lines += [f"              were each an error: {strict}"]
    return lines


def _between(interval: tuple[float, float], show) -> str:
    if math.isnan(interval[0]):
        return ""
    low, high = (show(edge).removesuffix(" %") for edge in interval)
    return f" ({low} to {high})"
