"""Judge a model by a protocol."""

from dataclasses import dataclass

from facesim.evaluation.groups import GroupReport, measure_groups
from facesim.evaluation.metrics import SortedDistances, failures_as_errors
from facesim.evaluation.scoring import Scores
from facesim.evaluation.summary import FoldRates, Summary, judge_folds, summarise
from facesim.model import Model


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's figures on a trial."""

    trial: str
    model: str
    people: int | None  # in the pairs; None where that is not known
    threshold_from: str
    summary: Summary
    folds: FoldRates | None  # View 2
    strict_folds: FoldRates | None  # the same, every pair without a face counted as an error
    groups: GroupReport | None  # where groups were asked for


def evaluate(scores: Scores, model: Model, by: tuple[str, ...] = ()) -> Evaluation:
    """Judge a trial at the threshold that its protocol asks for.

    View 1 chooses it on its pairs for development and View 2, for each fold, on the nine others, both by accuracy.
    Elsewhere, and for the figures of all of View 2's folds together, it is the model's own. Errors are measured by the
    groups that the columns `by` make, as `measure_groups` does.
    """
    trial, info, same = scores.trial, model.info, scores.trial.pairs.same
    threshold, threshold_from = info.threshold, "the model file"
    if trial.choosing is not None:
        chosen_on = SortedDistances.of(scores.choosing, trial.choosing.same)
        threshold = chosen_on.best_accuracy_threshold()
        threshold_from = f"the {len(trial.choosing):,} pairs of {trial.name} for development"
    folds = strict_folds = None
    if trial.folds is not None:
        folds = judge_folds(scores.distances, same, trial.folds)
        strict_folds = judge_folds(failures_as_errors(scores.distances, same), same, trial.folds)
    people = trial.people_of_pairs()
    return Evaluation(
        trial=trial.name,
        model=str(model.path),
        people=trial.people,
        threshold_from=threshold_from,
        summary=summarise(scores.distances, same, threshold, info.calibration, people),
        folds=folds,
        strict_folds=strict_folds,
        groups=measure_groups(scores, info, by) if by else None,
    )
