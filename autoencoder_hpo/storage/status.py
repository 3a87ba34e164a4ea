"""What a study has come to: plain values for tables and `--json`."""

from dataclasses import asdict
from typing import Any, Literal

from optuna.trial import FrozenTrial, TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.leases import REASON, WORKER
from autoencoder_hpo.storage.plateau import at_a_standstill
from autoencoder_hpo.storage.study import (
    BUDGET,
    Budget,
    Counts,
    Halt,
    StudyHandle,
    best_of,
    count,
    halt_of,
    seconds_left,
)

State = Literal["new", "running", "waiting", "done", "timed out", "plateau", "paused", "stopped"]
OVER: tuple[State, ...] = ("done", "timed out", "plateau", "stopped")
"""States in which no worker takes a trial."""


def summary(opened: StudyHandle) -> dict[str, Any]:
    """The study in one mapping: study, state, counts, budget, best and what it has to beat."""
    trials, attrs = opened.trials(), opened.attrs()
    counts, budget, halt = count(trials), Budget(**attrs[BUDGET]), halt_of(attrs)
    left = seconds_left(opened, attrs)
    best = best_of(trials, opened.study.search.objective)
    affine = opened.data.get("affine")
    return {
        "study": opened.name,
        "state": _state(counts, budget, halt, left, still=at_a_standstill(opened, attrs)),
        "halted": None if halt is None else asdict(halt),
        "counts": asdict(counts),
        "budget": asdict(budget),
        "seconds_left": None if left is None else max(0.0, left),
        "objective": opened.study.search.objective.value,
        "noisy": opened.data["noisy"],
        "affine": affine,
        "images": opened.data["counts"],
        "best": None if best is None else best_record(best, affine, opened.study.search.objective),
    }


def _state(
    counts: Counts, budget: Budget, halt: Halt | None, left: float | None, *, still: bool
) -> State:
    if halt is not None:
        return halt.kind
    if counts.running:
        return "running"
    if budget.trials is not None and counts.finished >= budget.trials:
        return "done"
    if left is not None and left <= 0:
        return "timed out"
    if still and not counts.waiting:
        return "plateau"
    return "waiting" if counts.finished or counts.failed else "new"


def best_record(
    trial: FrozenTrial, affine: dict[str, Any] | None, metric: Metric
) -> dict[str, Any]:
    """Scores, this one among them, size, cost and config of a complete trial.

    `affine_gain`: val_psnr over that of the affine filter, in dB; None where that is unknown."""
    scores = trial.user_attrs["scores"]
    return {
        "number": trial.number,
        "val_mse": scores["val_mse"],
        "val_psnr": scores["val_psnr"],
        "val_ssim": scores["val_ssim"],
        metric.value: scores[metric.value],
        "noisy_mse": scores["noisy_mse"],
        "noisy_psnr": scores["noisy_psnr"],
        "psnr_gain": scores["psnr_gain"],
        "affine_gain": None if affine is None else scores["val_psnr"] - affine["psnr"],
        "parameters": trial.user_attrs["parameters"],
        "seconds": trial.user_attrs["seconds"],
        "epoch": trial.user_attrs["best_epoch"],
        "picture": trial.user_attrs.get("picture"),
        "params": trial.params,
        "config": trial.user_attrs["config"],
    }


def trial_record(trial: FrozenTrial) -> dict[str, Any]:
    """Everything stored about one trial."""
    attrs = trial.user_attrs
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "reason": attrs.get(REASON),
        "worker": attrs.get(WORKER),
        "device": attrs.get("device"),
        "no_pictures": attrs.get("no_pictures"),
        "scores": attrs.get("scores"),
        "groups": attrs.get("groups"),
        "best_epoch": attrs.get("best_epoch"),
        "parameters": attrs.get("parameters"),
        "health": attrs.get("health"),
        "seconds": attrs.get("seconds"),
        "picture": attrs.get("picture"),
        "params": trial.params,
        "config": attrs.get("config"),
        "run": attrs.get("run"),
        "history": attrs.get("history")
        or [{"epoch": epoch, "value": value} for epoch, value in trial.intermediate_values.items()],
        "traceback": attrs.get("traceback"),
    }


def find_trial(opened: StudyHandle, number: int) -> FrozenTrial:
    """Raises StudyError when the study has no trial of this number."""
    trials = opened.trials()
    if not 0 <= number < len(trials):
        has = f"it has 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise StudyError(f"study {opened.name}", [f"no trial {number}; {has}"])
    return trials[number]


def running(opened: StudyHandle) -> list[FrozenTrial]:
    return [trial for trial in opened.trials() if trial.state is TrialState.RUNNING]
