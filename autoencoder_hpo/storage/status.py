"""What a study has come to: values, and the JSON that commands print of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optuna.trial import TrialState

from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import StudyError
from autoencoder_hpo.storage.plateau import at_a_standstill
from autoencoder_hpo.storage.records import StoredTrial
from autoencoder_hpo.storage.study import Counts, StudyHandle, best_of, count, seconds_left
from autoencoder_hpo.storage.study_records import Budget, Halt
from autoencoder_hpo.training.results import AffineRecord, Level, Scores

State = Literal["new", "running", "waiting", "done", "timed out", "plateau", "paused", "stopped"]
OVER: tuple[State, ...] = ("done", "timed out", "plateau", "stopped")
"""States in which no worker takes a trial."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a study, in the metric that the study improves.

    `affine_gain`: its PSNR over that of the affine filter, in dB; None where that is unknown.
    """

    trial: StoredTrial
    affine_gain: float | None
    metric: Metric

    @classmethod
    def of(cls, trial: StoredTrial, affine: AffineRecord | None, metric: Metric) -> "Best":
        scores, mark = trial.record.scores, None if affine is None else affine.psnr
        if scores is None or mark is None:
            return cls(trial, None, metric)
        return cls(trial, scores.val_psnr - mark, metric)

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def scores(self) -> Scores | None:
        """None for a trial that another program has completed."""
        return self.trial.record.scores

    @property
    def level(self) -> Level:
        """To be put beside what is not trained."""
        return Level(None, None, None) if self.scores is None else self.scores.level

    @property
    def psnr_gain(self) -> float | None:
        return None if self.scores is None else self.scores.psnr_gain

    def by(self, metric: Metric) -> float | None:
        """Its score; None where it was not measured."""
        return metric.found_in(self.scores)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a study stands.

    Attributes:
        seconds_left: until its deadline; None where there is none, or before its first claim.
        noisy: scores of the noisy validation images as they are.
        images: how many each split has.
        best: None before a trial is complete.
    """

    study: str
    state: State
    halt: Halt | None
    counts: Counts
    budget: Budget
    seconds_left: float | None
    objective: Metric
    noisy: Level
    affine: AffineRecord | None
    images: Mapping[str, int]
    best: Best | None

    def best_by(self, metric: Metric) -> float | None:
        """The score of the best trial; None where there is none."""
        return None if self.best is None else self.best.by(metric)

    @property
    def best_gain(self) -> float | None:
        """Over the noisy input, in dB."""
        return None if self.best is None else self.best.psnr_gain


def summary(opened: StudyHandle) -> Summary:
    trials, record = opened.trials(), opened.record()
    counts, left = count(trials), seconds_left(opened, record)
    metric = opened.study.search.objective
    best = best_of(trials, metric)
    still = at_a_standstill(opened, record)
    return Summary(
        study=opened.name,
        state=_state(counts, record.budget, record.halt, left, still=still),
        halt=record.halt,
        counts=counts,
        budget=record.budget,
        seconds_left=None if left is None else max(0.0, left),
        objective=metric,
        noisy=opened.data.noisy,
        affine=opened.data.affine,
        images=opened.data.counts,
        best=None if best is None else Best.of(StoredTrial.of(best), opened.data.affine, metric),
    )


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


def find_trial(opened: StudyHandle, number: int) -> StoredTrial:
    """Raises StudyError when the study has no trial of this number."""
    trials = opened.trials()
    if not 0 <= number < len(trials):
        has = f"it has 0 to {len(trials) - 1}" if trials else "it has none yet"
        raise StudyError(f"study {opened.name}", [f"no trial {number}; {has}"])
    return StoredTrial.of(trials[number])


def running(opened: StudyHandle) -> list[StoredTrial]:
    return [StoredTrial.of(t) for t in opened.trials() if t.state is TrialState.RUNNING]


# ---- as JSON ---------------------------------------------------------------------------


def summary_json(known: Summary) -> dict[str, Any]:
    return {
        "study": known.study,
        "state": known.state,
        "halted": None if known.halt is None else asdict(known.halt),
        "counts": asdict(known.counts),
        "budget": asdict(known.budget),
        "seconds_left": known.seconds_left,
        "objective": known.objective.value,
        "noisy": known.noisy.as_record(),
        "affine": None if known.affine is None else known.affine.as_record(),
        "images": dict(known.images),
        "best": None if known.best is None else best_json(known.best),
    }


def best_json(best: Best) -> dict[str, Any]:
    """Scores, the study's objective among them, size, cost and config."""
    record, scores = best.trial.record, best.scores
    known = {} if scores is None else scores.as_record()
    return {
        "number": best.number,
        **{name: known.get(name) for name in ("val_mse", "val_psnr", "val_ssim")},
        best.metric.value: known.get(best.metric.value),
        **{name: known.get(name) for name in ("noisy_mse", "noisy_psnr", "psnr_gain")},
        "affine_gain": best.affine_gain,
        "parameters": record.parameters,
        "seconds": record.seconds,
        "epoch": record.best_epoch,
        "picture": record.picture,
        "params": best.trial.params,
        "config": record.config,
    }


def trial_json(trial: StoredTrial) -> dict[str, Any]:
    """Everything that is stored about one trial."""
    record = trial.record
    return {
        "number": trial.number,
        "state": trial.ending,
        "reason": record.reason,
        "worker": record.worker,
        "device": record.device,
        "no_pictures": record.no_pictures,
        "scores": None if record.scores is None else record.scores.as_record(),
        "groups": record.groups,
        "best_epoch": record.best_epoch,
        "parameters": record.parameters,
        "health": None if record.health is None else record.health.as_record(),
        "seconds": record.seconds,
        "picture": record.picture,
        "params": trial.params,
        "config": record.config,
        "run": None if record.run is None else record.run.as_record(),
        "history": history_json(trial),
        "traceback": record.traceback,
    }


def history_json(trial: StoredTrial) -> list[dict[str, float]]:
    """Its epochs; of a trial that has not ended, what was reported of each."""
    reported = trial.intermediate_values.items()
    return [epoch.as_record() for epoch in trial.record.epochs] or [
        {"epoch": epoch, "value": value} for epoch, value in reported
    ]
