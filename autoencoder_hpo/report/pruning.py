"""What pruning has saved: epochs that were not trained, and the seconds they would have taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from autoencoder_hpo.storage.records import Cause, StoredTrial
from autoencoder_hpo.study import StudyConfig


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


def saved(study: StudyConfig, trials: Sequence[StoredTrial]) -> Saved:
    ended = [trial for trial in trials if _was_pruned(trial)]
    left = [_epochs_left(trial, study.task.epochs) for trial in ended]
    return Saved(
        pruned=len(ended),
        epochs=sum(len(trial.record.epochs) for trial in trials),
        seconds=sum(trial.record.seconds or 0.0 for trial in trials),
        epochs_left=sum(left),
        seconds_left=sum(
            number * (trial.record.seconds or 0.0) / len(trial.record.epochs)
            for number, trial in zip(left, ended, strict=True)
        ),
    )


def _was_pruned(trial: StoredTrial) -> bool:
    """A trial that could not be trained is stored as pruned too."""
    has_curve = bool(trial.record.epochs and trial.record.seconds)
    return trial.cause is Cause.UNPROMISING and has_curve


def _epochs_left(trial: StoredTrial, epochs: int) -> int:
    config = trial.config
    planned = (config and config.epochs) or epochs
    return max(0, planned - len(trial.record.epochs))
