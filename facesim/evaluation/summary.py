"""A model's measures on a set of pairs, each with its uncertainty."""

from dataclasses import dataclass

import numpy as np

from facesim.errors import FaceSimError
from facesim.evaluation.calibration import Reliability, reliability
from facesim.evaluation.groups import GroupReport, measure_groups
from facesim.evaluation.metrics import Interval, Rates, SortedDistances, Tar, failures_as_errors
from facesim.evaluation.scoring import Scores
from facesim.evaluation.uncertainty import bootstrap_by_identity, f1_interval, mean_with_error, wilson_interval
from facesim.model import Model

FMRS = (0.01, 0.001)  # at which TAR is stated, or else that there are too few pairs
STRICT_FMRS = (1e-4, 1e-5)  # at which TAR is stated where there are enough pairs


@dataclass(frozen=True, slots=True)
class Summary:
    """A model's measures on `(n,)` pairs; a pair without a face is a non-match, except in `strict`.

    Intervals are 95 %: Wilson's for accuracy, FMR and FNMR, by drawing pairs for F1, and by drawing people for AUC, EER
    and TAR.
    """

    rates: Rates[float]  # at the threshold
    strict: Rates[float]  # the same, with every pair without a face as an error
    f1_interval: Interval
    accuracy_interval: Interval
    fmr_interval: Interval
    fnmr_interval: Interval
    auc: float
    auc_interval: Interval
    eer: float
    eer_interval: Interval
    tars: dict[float, Tar | None]  # by FMR; None where there are too few impostor pairs to say
    tar_intervals: dict[float, Interval | None]
    genuine_without_face: int
    impostor_without_face: int
    reliability: Reliability


def summarise(
    distances: np.ndarray,
    same: np.ndarray,
    threshold: float,
    calibration: Interval,
    identities: np.ndarray | None = None,
) -> Summary:
    """Measure pairs with `distances`, `(n,)`, NaN where there is no face, and `same`, `(n,) bool`.

    `identities`, `(n, 2) int`, says who is in each pair, if that is known.
    """
    measured = SortedDistances.of(distances, same)
    rates = measured.rates(threshold)
    missing = np.isnan(distances)
    tars = {fmr: measured.tar(fmr) for fmr in FMRS + STRICT_FMRS}
    tars = {fmr: tar for fmr, tar in tars.items() if tar or fmr in FMRS}

    def measure(pairs: SortedDistances) -> dict[str | float, float]:
        return {
            "AUC": pairs.auc(),
            "EER": pairs.eer(),
            **{fmr: pairs.rates(pairs.largest_threshold(fmr)).recall for fmr in tars},
        }

    intervals = bootstrap_by_identity(distances, same, identities, measure)
    return Summary(
        rates=rates,
        strict=SortedDistances.of(failures_as_errors(distances, same), same).rates(threshold),
        f1_interval=f1_interval(rates),
        accuracy_interval=wilson_interval(rates.true_matches + rates.true_non_matches, len(same)),
        fmr_interval=wilson_interval(rates.false_matches, rates.impostor),
        fnmr_interval=wilson_interval(rates.false_non_matches, rates.genuine),
        auc=measured.auc(),
        auc_interval=intervals["AUC"],
        eer=measured.eer(),
        eer_interval=intervals["EER"],
        tars=tars,
        tar_intervals={fmr: intervals[fmr] if tar else None for fmr, tar in tars.items()},
        genuine_without_face=int((missing & same).sum()),
        impostor_without_face=int((missing & ~same).sum()),
        reliability=reliability(distances, same, calibration),
    )


@dataclass(frozen=True, slots=True)
class FoldRates:
    """Each fold's rates at the threshold that is most accurate on all the others."""

    folds: tuple[Rates[float], ...]

    def mean(self, measure: str) -> Interval:
        """Return the mean of "accuracy", "f1", "fmr" or "fnmr" over the folds, and its standard error."""
        return mean_with_error([getattr(rates, measure) for rates in self.folds])


def rate_folds(distances: np.ndarray, same: np.ndarray, folds: np.ndarray) -> FoldRates:
    """Measure each fold of `folds`, `(n,) int`, at the threshold chosen on the others, as LFW's View 2 requires.

    Raises FaceSimError where there are fewer than two folds.
    """
    names = np.unique(folds)
    if len(names) < 2:
        raise FaceSimError("a fold's threshold comes from the other folds: two are needed.")
    rates = []
    for fold in names:
        here = folds == fold
        threshold = SortedDistances.of(distances[~here], same[~here]).best_accuracy_threshold()
        rates.append(SortedDistances.of(distances[here], same[here]).rates(threshold))
    return FoldRates(tuple(rates))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's results on a protocol."""

    protocol: str
    model: str
    people: int | None  # in the pairs; None where that is unknown
    threshold_from: str
    summary: Summary
    folds: FoldRates | None  # View 2
    strict_folds: FoldRates | None  # the same, with every pair without a face as an error
    groups: GroupReport | None  # where groups were asked for


def evaluate(scores: Scores, model: Model, by: tuple[str, ...] = ()) -> Evaluation:
    """Measure a model at the threshold that the protocol prescribes.

    View 1 chooses it on its development pairs and View 2, for each fold, on the nine others, both by accuracy.
    Otherwise, and for all of View 2's folds together, it is the model's own. Errors are also measured by the groups
    that the columns `by` make, as `measure_groups` does.
    """
    protocol, info, same = scores.protocol, model.info, scores.protocol.pairs.same
    threshold, threshold_from = info.threshold, "the model file"
    if protocol.development is not None and scores.development is not None:
        threshold = SortedDistances.of(scores.development, protocol.development.same).best_accuracy_threshold()
        threshold_from = f"the {len(protocol.development):,} development pairs of {protocol.name}"
    folds = strict_folds = None
    if protocol.folds is not None:
        folds = rate_folds(scores.distances, same, protocol.folds)
        strict_folds = rate_folds(failures_as_errors(scores.distances, same), same, protocol.folds)
    return Evaluation(
        protocol=protocol.name,
        model=str(model.path),
        people=protocol.people,
        threshold_from=threshold_from,
        summary=summarise(scores.distances, same, threshold, info.calibration, protocol.identities_of_pairs()),
        folds=folds,
        strict_folds=strict_folds,
        groups=measure_groups(scores, info, by) if by else None,
    )
