"""What pairs say of a model: every measure, with its uncertainty, in one frozen result."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from facesim.errors import FaceSimError
from facesim.evaluation.calibration import Reliability, judge_calibration
from facesim.evaluation.groups import GroupReport, measure_groups
from facesim.evaluation.metrics import Rates, SortedDistances, Tar, failures_as_errors
from facesim.evaluation.scoring import Scores
from facesim.evaluation.uncertainty import bootstrap_by_identity, f1_interval, mean_with_error, wilson_interval
from facesim.model import Model

FMRS = (0.01, 0.001)  # at which TAR is stated, or that there are too few pairs to say
STRICT_FMRS = (1e-4, 1e-5)  # the same, where there are enough
_KEYS = {"protocol": "trial"}  # what JSON calls a field, where that is otherwise


@dataclass(frozen=True, slots=True)
class Summary:
    """A model's measures on `(n,)` pairs; a pair without a face is a non-match, but for `strict`.

    Intervals are 95 %: Wilson's for accuracy, FMR and FNMR, F1's by drawing pairs, those of AUC, EER and TAR by drawing
    people.
    """

    rates: Rates  # at the threshold
    strict: Rates  # the same, every pair without a face counted as an error, of either kind
    f1_interval: tuple[float, float]
    accuracy_interval: tuple[float, float]
    fmr_interval: tuple[float, float]
    fnmr_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]
    eer: float
    eer_interval: tuple[float, float]
    tars: dict[float, Tar | None]  # by FMR; None where there are too few impostor pairs to say
    tar_intervals: dict[float, tuple[float, float] | None]
    genuine_without_face: int
    impostor_without_face: int
    reliability: Reliability


def summarise(
    distances: np.ndarray,
    same: np.ndarray,
    threshold: float,
    calibration: tuple[float, float],
    people: np.ndarray | None = None,
) -> Summary:
    """Measure pairs with `distances`, `(n,)`, NaN where there is no face, and `same`, `(n,) bool`.

    `people`, `(n, 2) int`, says who is in each pair, where that is known.
    """
    measured = SortedDistances.of(distances, same)
    rates = measured.rates(threshold)
    missing = np.isnan(distances)
    fmrs = (*FMRS, *(fmr for fmr in STRICT_FMRS if measured.tar(fmr)))

    def measure(pairs: SortedDistances) -> list[float]:
        return [pairs.auc(), pairs.eer(), *(pairs.tar(fmr, least=0).tar for fmr in fmrs)]

    auc_interval, eer_interval, *tar_intervals = bootstrap_by_identity(distances, same, people, measure)
    tars = {fmr: measured.tar(fmr) for fmr in fmrs}
    return Summary(
        rates=rates,
        strict=SortedDistances.of(failures_as_errors(distances, same), same).rates(threshold),
        f1_interval=f1_interval(rates),
        accuracy_interval=wilson_interval(rates.true_matches + rates.true_non_matches, len(same)),
        fmr_interval=wilson_interval(rates.false_matches, rates.impostor),
        fnmr_interval=wilson_interval(rates.false_non_matches, rates.genuine),
        auc=measured.auc(),
        auc_interval=auc_interval,
        eer=measured.eer(),
        eer_interval=eer_interval,
        tars=tars,
        tar_intervals={fmr: tars[fmr] and interval for fmr, interval in zip(fmrs, tar_intervals, strict=True)},
        genuine_without_face=int((missing & same).sum()),
        impostor_without_face=int((missing & ~same).sum()),
        reliability=judge_calibration(distances, same, calibration),
    )


@dataclass(frozen=True, slots=True)
class FoldRates:
    """Each fold's rates at the threshold that is most accurate on all others."""

    folds: tuple[Rates, ...]

    def mean(self, measure: str) -> tuple[float, float]:
        """Return the mean of "accuracy", "f1", "fmr" or "fnmr" over the folds, and its standard error."""
        return mean_with_error([getattr(rates, measure) for rates in self.folds])


def judge_folds(distances: np.ndarray, same: np.ndarray, folds: np.ndarray) -> FoldRates:
    """Judge each fold of `folds`, `(n,) int`, at the threshold that the others choose, as LFW's View 2 asks.

    Raises FaceSimError where there are fewer than two folds.
    """
    names = np.unique(folds)
    if len(names) < 2:
        raise FaceSimError("a fold's threshold comes from the other folds: two are needed.")
    judged = []
    for fold in names:
        here = folds == fold
        threshold = SortedDistances.of(distances[~here], same[~here]).best_accuracy_threshold()
        judged.append(SortedDistances.of(distances[here], same[here]).rates(threshold))
    return FoldRates(tuple(judged))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's figures by a protocol."""

    protocol: str
    model: str
    people: int | None  # in the pairs; None where that is not known
    threshold_from: str
    summary: Summary
    folds: FoldRates | None  # View 2
    strict_folds: FoldRates | None  # the same, every pair without a face counted as an error
    groups: GroupReport | None  # where groups were asked for


def evaluate(scores: Scores, model: Model, by: tuple[str, ...] = ()) -> Evaluation:
    """Measure a model at the threshold that the protocol asks for.

    View 1 chooses it on its pairs for development and View 2, for each fold, on the nine others, both by accuracy.
    Elsewhere, and for the figures of all of View 2's folds together, it is the model's own. Errors are measured by the
    groups that the columns `by` make, as `measure_groups` does.
    """
    protocol, info, same = scores.protocol, model.info, scores.protocol.pairs.same
    threshold, threshold_from = info.threshold, "the model file"
    if protocol.choosing is not None:
        chosen_on = SortedDistances.of(scores.choosing, protocol.choosing.same)
        threshold = chosen_on.best_accuracy_threshold()
        threshold_from = f"the {len(protocol.choosing):,} pairs of {protocol.name} for development"
    folds = strict_folds = None
    if protocol.folds is not None:
        folds = judge_folds(scores.distances, same, protocol.folds)
        strict_folds = judge_folds(failures_as_errors(scores.distances, same), same, protocol.folds)
    people = protocol.people_of_pairs()
    return Evaluation(
        protocol=protocol.name,
        model=str(model.path),
        people=protocol.people,
        threshold_from=threshold_from,
        summary=summarise(scores.distances, same, threshold, info.calibration, people),
        folds=folds,
        strict_folds=strict_folds,
        groups=measure_groups(scores, info, by) if by else None,
    )


def as_dict(result) -> dict:
    """Return a result for JSON: its fields, and with every count of errors the rates that follow; NaN is None."""
    if isinstance(result, Rates):
        names = [field.name for field in dataclasses.fields(result)]
        names += ["precision", "recall", "f1", "accuracy", "fmr", "fnmr"]
        return {name: as_dict(getattr(result, name)) for name in names}
    if isinstance(result, Tar):
        return {name: as_dict(getattr(result, name)) for name in ("fmr", "threshold", "true_matches", "genuine", "tar")}
    if dataclasses.is_dataclass(result):
        fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        return {_KEYS.get(name, name): as_dict(value) for name, value in fields.items()}
    if isinstance(result, dict):
        return {str(key): as_dict(value) for key, value in result.items()}
    if isinstance(result, (list, tuple, np.ndarray)):
        return [as_dict(value) for value in result]
    if isinstance(result, np.generic):
        result = result.item()
    return None if isinstance(result, float) and not np.isfinite(result) else result
