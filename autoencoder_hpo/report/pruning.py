"""What pruning has saved: epochs that were not trained, and the seconds they would have taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.storage.leases import CONFIG
from autoencoder_hpo.study import Study


@dataclass(frozen=True, slots=True)
class Saved:
    """`pruned` counts the trials that a pruner ended; those that could not train are none.

    `epochs` and `seconds` were trained, by all trials; `epochs_left` and `seconds_left` are what
    the pruned ones would have taken to their end, at the speed that each had.
    """

    pruned: int
    epochs: int
    seconds: float
    epochs_left: int
    seconds_left: float

    @property
    def share(self) -> float:
        """The part of the training time that was saved."""
        whole = self.seconds + self.seconds_left
        return self.seconds_left / whole if whole else 0.0


def saved(study: Study, trials: Sequence[FrozenTrial]) -> Saved:
    ended = [trial.user_attrs for trial in trials if _was_pruned(trial)]
    every = [trial.user_attrs for trial in trials]
    left = [_epochs_left(attrs, study.task.epochs) for attrs in ended]
    return Saved(
        pruned=len(ended),
        epochs=sum(_epochs(attrs) for attrs in every),
        seconds=sum(attrs.get("seconds") or 0.0 for attrs in every),
        epochs_left=sum(left),
        seconds_left=sum(
            number * attrs["seconds"] / _epochs(attrs)
            for number, attrs in zip(left, ended, strict=True)
        ),
    )


def _was_pruned(trial: FrozenTrial) -> bool:
    """An infeasible trial is stored as pruned too, with a constraint that it breaks."""
    feasible = all(value <= 0 for value in trial.constraints.values())
    has_curve = bool(trial.user_attrs.get("history") and trial.user_attrs.get("seconds"))
    return trial.state is TrialState.PRUNED and feasible and has_curve


def _epochs(attrs: Mapping[str, Any]) -> int:
    return len(attrs.get("history") or ())


def _epochs_left(attrs: Mapping[str, Any], epochs: int) -> int:
    planned = attrs[CONFIG].get("epochs") or epochs
    return max(0, int(planned) - _epochs(attrs))
