"""How a trial can end on a worker."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from optuna.trial import TrialState

from autoencoder_hpo.storage.records import (
    Cause,
    TrialRecord,
    cause_of_pruned,
)


@dataclass(frozen=True, slots=True)
class Complete:
    value: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """Ended early, by the pruner or because it could not be trained."""

    reason: str
    cause: Cause

    def as_record(self) -> dict[str, str]:
        return {"reason": self.reason, "cause": self.cause.value}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Pruned":
        """Of a checkpoint; those of earlier versions say whether it was feasible, and no cause."""
        reason, cause = str(record["reason"]), record.get("cause")
        if cause is None:
            cause = cause_of_pruned(reason, violated=bool(record.get("infeasible")))
        return cls(reason, Cause(cause))


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str
    cause: Cause
    trace: str = ""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """Stopped on request: the trial waits for the next worker."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The trial is another worker's by now, and its result counts."""


Outcome = Complete | Pruned | Failed | HandedBack | Abandoned
STATES = {Complete: TrialState.COMPLETE, Pruned: TrialState.PRUNED, Failed: TrialState.FAIL}


def with_end(record: TrialRecord, outcome: Outcome) -> TrialRecord:
    """With what is told of how the trial ended."""
    match outcome:
        case Pruned(reason, cause):
            return replace(record, reason=reason, cause=cause)
        case Failed(reason, cause, trace):
            return replace(record, reason=reason, cause=cause, traceback=trace)
        case Complete() | HandedBack() | Abandoned():
            return record
        case _ as never:
            assert_never(never)


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
