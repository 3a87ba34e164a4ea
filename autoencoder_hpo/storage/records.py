"""What a trial keeps: values, and the only place that knows how they are stored.

They are attributes of Optuna's trial. One that is missing, or that this program does not write,
is None or empty here: trials of stock Optuna have none, and earlier versions stored fewer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeVar, assert_never

from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.storage.study_records import as_json
from autoencoder_hpo.training.results import (
    EpochResult,
    Health,
    Precision,
    Scores,
    other_metrics,
)

T = TypeVar("T")
Attrs = dict[str, Any]
"""Names and JSON values, as Optuna has them."""
WORKER = "worker"
CONFIG = "config"
RUN = "run"
REASON = "reason"
LOSSES = "losses"
CELL = "cell"
START = "start"
VAL_PSNR = "val_psnr"


class Cause(StrEnum):
    """Why a trial ended before its last epoch."""

    NOT_FINITE = "not_finite"
    """Its loss was infinite or not a number."""
    OUT_OF_MEMORY = "out_of_memory"
    UNPROMISING = "unpromising"
    """The pruner has ended it."""
    LOST_WORKER = "lost_worker"
    """Its worker was lost too often."""
    ERROR = "error"
    """One of ours, in a line: the config and the images do not go together, say."""
    BUG = "bug"
    """Any other error; its traceback is kept."""

    @property
    def infeasible(self) -> bool:
        """Whether samplers are to avoid such a trial: it could not be trained at all."""
        match self:
            case Cause.NOT_FINITE | Cause.OUT_OF_MEMORY | Cause.ERROR | Cause.BUG:
                return True
            case Cause.UNPROMISING | Cause.LOST_WORKER:
                return False
            case _ as never:
                assert_never(never)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """With what a trial is trained.

    The thread count is part of it: one and two threads round differently.
    """

    seed: int
    device: str
    cpu: str
    threads: int
    precision: Precision
    versions: Mapping[str, str]
    git: str | None
    data_hash: str

    def as_record(self) -> Attrs:
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**known, "versions": dict(self.versions)}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError where something is missing."""
        return cls(**{each.name: record[each.name] for each in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """All that we store with a trial; of one that runs, what is known so far.

    Attributes:
        start: which of the study's first trials it is, in words.
        cell: of the grid.
        losses: how often it lost its worker in a row, and the epochs that it had then.
        config: as JSON; `StoredTrial.config` is validated.
        device: the run's, again: the dashboard shows it.
        groups: PSNR of each class or folder, in dB.
        seconds: of training.
        n_fused: models that were trained at once, this one among them.
        history: its finite epochs.
        val_psnr: of its best epoch, in dB; while it runs, of its last one.
        also: its best epoch by the metric in which people see the objective, where that is no PSNR.
        psnr_gain: over the noisy input, in dB; None where nothing is noisy.
        picture: a file on the machine that trained it.
        no_pictures: why it has none in the dashboard.
        reason: why it ended early, in a sentence.
        cause: the same as a code; None in trials of earlier versions.
    """

    start: str | None = None
    cell: int | None = None
    losses: tuple[int, int] | None = None
    config: Mapping[str, Any] | None = None
    run: RunRecord | None = None
    device: str | None = None
    worker: str | None = None
    scores: Scores | None = None
    groups: Mapping[str, float] | None = None
    best_epoch: int | None = None
    parameters: int | None = None
    seconds: float | None = None
    n_fused: int | None = None
    history: tuple[EpochResult, ...] | None = None
    val_psnr: float | None = None
    also: Mapping[str, float] = field(default_factory=dict)
    psnr_gain: float | None = None
    health: Health | None = None
    picture: str | None = None
    no_pictures: str | None = None
    reason: str | None = None
    cause: Cause | None = None
    traceback: str | None = None

    @property
    def epochs(self) -> Sequence[EpochResult]:
        """The finite ones that it has; none before the end of the trial."""
        return self.history or ()

    def as_attrs(self) -> Attrs:
        """As it is stored; what is not known is left out."""
        attrs = {
            key: as_json(given)
            for name, key in _STORED_AS.items()
            if (given := getattr(self, name)) is not None
        }
        if "history" in attrs and "val_psnr" in attrs:
            attrs[_STORED_AS["psnr_gain"]] = self.psnr_gain  # also that there is none
        return {**attrs, **self.also}

    @classmethod
    def of_attrs(cls, attrs: Mapping[str, Any]) -> Self:
        plain = {
            name: given
            for name, kind in _PLAIN.items()
            if isinstance(given := attrs.get(_STORED_AS[name]), kind)
        }
        losses, cause = attrs.get(LOSSES), attrs.get(_STORED_AS["cause"])
        return cls(
            **plain,
            losses=(losses[0], losses[1]) if isinstance(losses, list | tuple) else None,
            run=_read(RunRecord.of_record, attrs.get(RUN)),
            scores=_read(Scores.of_record, attrs.get("scores")),
            history=_read_history(attrs.get("history")),
            also=other_metrics(attrs, (VAL_PSNR,)),
            health=_read(Health.of_record, attrs.get("health")),
            cause=Cause(cause) if cause in set(Cause) else None,
        )


_STORED_AS = {each.name: each.name for each in fields(TrialRecord) if each.name != "also"}
_STORED_AS["n_fused"] = "at_once"
"""The name under which each field is stored. Metrics are stored under their own."""
STORED_KEYS = frozenset(_STORED_AS.values()) | {metric.value for metric in Metric}
_PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(("start", "device", "worker", "picture", "no_pictures"), str),
    **dict.fromkeys(("reason", "traceback"), str),
    **dict.fromkeys(("cell", "best_epoch", "parameters", "n_fused"), int),
    **dict.fromkeys(("seconds", "val_psnr", "psnr_gain"), int | float),
    **dict.fromkeys(("config", "groups"), Mapping),
}
"""Fields that are stored as they are, and what they must be."""
KEPT = (CELL, LOSSES, RUN, CONFIG, START)
"""What a trial keeps when it goes to another worker (R9): what it is, nothing of what it did."""
_COLUMNS = (
    *dict.fromkeys(metric.shown.value for metric in Metric),
    "psnr_gain", "parameters", "seconds", "best_epoch", WORKER, "device", REASON, "no_pictures",
    START,
)  # fmt: skip


def columns(attrs: Mapping[str, Any]) -> Attrs:
    """What makes useful columns in the dashboard, and nothing else."""
    return {name: attrs[name] for name in _COLUMNS if name in attrs}


def reached_attrs(psnr: float) -> Attrs:
    """What a running trial has come to, in dB."""
    return {VAL_PSNR: psnr}


def without_worker(attrs: Mapping[str, Any]) -> Attrs:
    """All of it, but whose the trial is."""
    return {name: value for name, value in attrs.items() if name != WORKER}


def _read(of: Callable[[Mapping[str, Any]], T], stored: object) -> T | None:
    """None where it is missing, or nothing that we write."""
    try:
        return of(stored) if isinstance(stored, Mapping) else None
    except (KeyError, TypeError, ValueError):
        return None


def _read_history(stored: object) -> tuple[EpochResult, ...] | None:
    if not isinstance(stored, list):
        return None
    epochs = [_read(EpochResult.of_record, each) for each in stored]
    return tuple(each for each in epochs if each is not None)


# ---- a trial in a study ----------------------------------------------------------------

Ending = Literal["complete", "pruned", "fail", "running", "waiting"]
ENDINGS: Mapping[TrialState, Ending] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "fail",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial as Optuna has it, together with our record of it."""

    optuna: FrozenTrial
    record: TrialRecord

    @classmethod
    def of(cls, trial: FrozenTrial) -> Self:
        """Raises nothing: what other programs store in a study of ours is not ours."""
        return cls(trial, TrialRecord.of_attrs(trial.user_attrs))

    @property
    def number(self) -> int:
        return self.optuna.number

    @property
    def state(self) -> TrialState:
        return self.optuna.state

    @property
    def ending(self) -> Ending:
        """The state as JSON has it."""
        return ENDINGS[self.optuna.state]

    @property
    def value(self) -> float | None:
        """The study's objective."""
        return self.optuna.value

    @property
    def params(self) -> Mapping[str, Any]:
        return self.optuna.params

    @property
    def intermediate_values(self) -> Mapping[int, float]:
        """The objective after each epoch."""
        return self.optuna.intermediate_values

    @property
    def began(self) -> datetime | None:
        return self.optuna.datetime_start

    @property
    def ended(self) -> datetime | None:
        return self.optuna.datetime_complete

    @property
    def config(self) -> TrialConfig | None:
        """Validated: what an earlier version did not know has its default. None before it is drawn.

        Raises:
            pydantic.ValidationError: another program has stored it.
        """
        stored = self.record.config
        return None if stored is None else TrialConfig.model_validate(stored)

    @property
    def kind(self) -> str:
        """Of the model; a question mark before it is drawn."""
        model = (self.record.config or {}).get("model")
        return str(model.get("kind", "?")) if isinstance(model, Mapping) else "?"

    @property
    def cause(self) -> Cause | None:
        """Why it ended before its last epoch; None for any other trial."""
        return self.record.cause or _cause_of(self.state, self.violated, self.record)

    @property
    def violated(self) -> bool:
        """Whether it was stored with a constraint that it breaks."""
        return any(violation > 0 for violation in self.optuna.constraints.values())

    @property
    def is_infeasible(self) -> bool:
        """Whether it could not be trained at all."""
        return self.cause is not None and self.cause.infeasible


def stored(trials: Sequence[FrozenTrial]) -> list[StoredTrial]:
    return [StoredTrial.of(trial) for trial in trials]


def _cause_of(state: TrialState, violated: bool, record: TrialRecord) -> Cause | None:
    """Of a trial that was stored without one: earlier versions wrote a sentence only.

    `violated`: it breaks a constraint, as all did that could not be trained.
    """
    reason = record.reason or ""
    match state:
        case TrialState.PRUNED:
            return cause_of_pruned(reason, violated=violated)
        case TrialState.FAIL if reason.startswith("its worker was lost"):
            return Cause.LOST_WORKER
        case TrialState.FAIL if record.traceback:
            return Cause.BUG
        case TrialState.FAIL if reason or violated:
            return Cause.ERROR
        case _:
            return None


def cause_of_pruned(reason: str, *, violated: bool) -> Cause:
    """Of a sentence that earlier versions wrote of a trial that did not fail."""
    if reason.startswith("the loss was not finite"):
        return Cause.NOT_FINITE
    if reason.startswith("out of memory"):
        return Cause.OUT_OF_MEMORY
    return Cause.ERROR if violated else Cause.UNPROMISING
