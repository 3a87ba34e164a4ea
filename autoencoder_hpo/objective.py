"""Where the search meets the training: one trial, start to finish."""

import logging
import math
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, assert_never

import optuna
import torch
from optuna.trial import Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from autoencoder_hpo.artifacts import CHECKPOINT, PANEL, open_store, trial_directory
from autoencoder_hpo.claims import REASON, Claimed, hand_back, is_mine, kept_alive
from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.errors import AutoencoderHpoError, CheckpointError
from autoencoder_hpo.ledger import DATA, OpenStudy
from autoencoder_hpo.pictures import save_picture
from autoencoder_hpo.probes import choose_probes
from autoencoder_hpo.provenance import git_state, versions
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase import note_failure, show_trial
from autoencoder_hpo.space import fill
from autoencoder_hpo.training.checkpoint import load_checkpoint, save_checkpoint
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.loop import Cancelled, EpochResult, Training, stalled
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import Prepared

log = logging.getLogger(__name__)
DATABASE_ERRORS = (SQLAlchemyError, optuna.exceptions.StorageInternalError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a trial is trained."""

    worker: str
    device: torch.device
    threads: int
    settings: Settings


@dataclass(frozen=True, slots=True)
class Complete:
    value: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """Ended early. `infeasible`: it could not be trained at all, and samplers should avoid it."""

    reason: str
    infeasible: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    reason: str
    trace: str


@dataclass(frozen=True, slots=True)
class HandedBack:
    """Stopped on request: the trial waits for the next worker."""


Outcome = Complete | Pruned | Failed | HandedBack


def run_trial(
    opened: OpenStudy,
    claimed: Claimed,
    data: Sequence[Prepared],
    place: Place,
    *,
    cancelled: Callable[[], bool],
) -> Outcome:
    """Train what the trial suggests and tell the study how it ended.

    No failure of the trial escapes; a database that cannot be reached does.
    """
    deadline = math.inf
    if claimed.seconds_left is not None:
        deadline = time.monotonic() + claimed.seconds_left
    with kept_alive(opened, claimed.trial):
        outcome = _outcome(
            lambda: TrialRun(opened, claimed.trial, data, place).train(
                lambda: cancelled() or time.monotonic() > deadline
            )
        )
        _tell(opened, claimed.trial, outcome, place)
    return outcome


def _outcome(train: Callable[[], Outcome]) -> Outcome:
    try:
        return train()
    except Cancelled:
        return HandedBack()
    except DATABASE_ERRORS:
        raise
    except torch.OutOfMemoryError as error:
        return Pruned(f"out of memory on the device: {_first_line(error)}", infeasible=True)
    except AutoencoderHpoError as error:
        return Failed(str(error), "")
    except Exception as error:  # whatever it is, the worker goes on with the next trial
        if "can't allocate memory" in str(error):  # the CPU's allocator raises RuntimeError
            return Pruned(f"out of memory: {_first_line(error)}", infeasible=True)
        return Failed(f"{type(error).__name__}: {_first_line(error)}", traceback.format_exc())


def _tell(opened: OpenStudy, trial: Trial, outcome: Outcome, place: Place) -> None:
    if not is_mine(opened, trial, place.worker):
        log.warning("trial %d was taken over by another worker; its result stands", trial.number)
        return
    match outcome:
        case Complete(value):
            opened.optuna.tell(trial, value)
        case Pruned(reason, infeasible):
            trial.set_user_attr(REASON, reason)
            if infeasible:  # a constraint is what TPE learns from; a FAIL it ignores (R8, R21)
                trial.set_constraint("trainable", 1.0)
            opened.optuna.tell(trial, state=TrialState.PRUNED)
        case Failed(reason, trace):
            trial.set_user_attr(REASON, reason)
            trial.set_user_attr("traceback", trace)
            note_failure(opened, trial._trial_id, reason)
            opened.optuna.tell(trial, state=TrialState.FAIL)
        case HandedBack():
            hand_back(opened, trial._trial_id)
            return
        case _:
            assert_never(outcome)
    with suppress(OSError):  # no longer needed; `delete` removes what stays
        _directory(opened, trial, place).joinpath(CHECKPOINT).unlink()


class TrialRun:
    """One trial on its way from a suggestion to an outcome."""

    def __init__(
        self, opened: OpenStudy, trial: Trial, data: Sequence[Prepared], place: Place
    ) -> None:
        self.opened = opened
        self.trial = trial
        self.data = data
        self.config = TrialConfig.model_validate(fill(opened.study.trial, trial).config)
        self.run = _describe_run(opened, trial, place)
        self.place = replace(place, threads=self.run["threads"])
        self.objective = opened.study.search.objective
        self.seconds = 0.0
        self._reported = set(trial.storage.get_trial(trial._trial_id).intermediate_values)
        self._can_save = True

    def train(self, cancelled: Callable[[], bool]) -> Outcome:
        self.trial.set_user_attr("config", self.config.model_dump(mode="json"))
        self.trial.set_user_attr("run", self.run)
        self.trial.set_user_attr("device", self.run["device"])
        torch.set_num_threads(self.place.threads)
        training = build_training(
            self.opened.study.task,
            self.config,
            self.data,
            seed=self.run["seed"],
            precision=self.run["precision"],
            best_by=self.objective,
            cancelled=cancelled,
        )
        self._continue(training)
        outcome = self._train_epochs(training) or self._finish(training)
        self._show(training, outcome)
        return outcome

    def _train_epochs(self, training: Training | FoldedTraining) -> Outcome | None:
        """The epochs that are left; None when all of them were trained."""
        started = time.monotonic()
        while not self._has_stalled(training):
            result = next(iter(training), None)
            if result is None:
                return None
            now = time.monotonic()
            self.seconds += now - started
            started = now
            self._save(training)
            ended = self._judge(result, training)
            if ended is not None:
                return ended
        return None

    def _has_stalled(self, training: Training | FoldedTraining) -> bool:
        patience = self.config.early_stopping
        return bool(patience and stalled(training.history, patience, self.objective))

    def _judge(self, result: EpochResult, training: Training | FoldedTraining) -> Outcome | None:
        """Report the epoch; an outcome when it was the trial's last."""
        if not _finite(result):
            self._record(training)
            return Pruned(f"the loss was not finite in epoch {result.epoch}", infeasible=True)
        self._report([result])
        if self.trial.should_prune():
            self._record(training)
            kind = self.opened.study.search.pruner.kind
            return Pruned(f"unpromising after epoch {result.epoch} ({kind} pruner)")
        return None

    def _report(self, results: Sequence[EpochResult]) -> None:
        """Tell the study; a trial that began elsewhere may have told some epochs already."""
        for result in results:
            if result.epoch not in self._reported:
                self.trial.report(getattr(result, self.objective), result.epoch)
                self.trial.set_user_attr("val_psnr", result.val_psnr)

    def _finish(self, training: Training | FoldedTraining) -> Outcome:
        assert training.best is not None, "every finite history has a best epoch"
        scores = training.scores()
        self.trial.set_user_attr("scores", asdict(scores))
        self.trial.set_user_attr("best_epoch", training.best.epoch)
        self._record(training)
        return Complete(getattr(scores, self.objective))

    def _record(self, training: Training | FoldedTraining) -> None:
        """What complete and pruned trials keep: curve, size, cost, and the best epoch's PSNR."""
        self.trial.set_user_attr("parameters", training.parameters)
        self.trial.set_user_attr("seconds", round(self.seconds, 3))
        self.trial.set_user_attr(
            "history", [asdict(result) for result in training.history if _finite(result)]
        )
        if training.best is not None:
            psnr, noisy = training.best.val_psnr, self.opened.attr(DATA)["noisy"]["psnr"]
            self.trial.set_user_attr("val_psnr", psnr)
            self.trial.set_user_attr("psnr_gain", None if noisy is None else psnr - noisy)

    # ---- files: useful, but never worth a trial's result -------------------------------

    @property
    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must have been made for."""
        return {
            "config": self.config.model_dump(mode="json"),
            "task": self.opened.study.task.model_dump(mode="json"),
            "seed": self.run["seed"],
            "data_hash": self.run["data_hash"],
            "precision": self.run["precision"],
        }

    def _continue(self, training: Training | FoldedTraining) -> None:
        path = self._path(CHECKPOINT)
        if not path.exists():
            return
        try:
            state = load_checkpoint(path, config=self._identity)
        except CheckpointError as error:
            log.warning("%s; the trial starts from its first epoch", error)
            return
        self.seconds = state.pop("seconds")
        training.load_state_dict(state)
        self._report(training.history)

    def _save(self, training: Training | FoldedTraining) -> None:
        if not self._can_save:
            return
        state = {**training.state_dict(), "seconds": self.seconds}
        try:
            path = self._path(CHECKPOINT)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(path, state, config=self._identity)
        except OSError as error:
            self._can_save = False
            log.warning("no checkpoint for trial %d: %s", self.trial.number, error)

    def _show(self, training: Training | FoldedTraining, outcome: Outcome) -> None:
        """What the dashboard shows of the trial, and the same picture in its folder."""
        probes = choose_probes(self.data[0])
        sheet = show_trial(
            self.opened,
            self.trial._trial_id,
            store=open_store(self.place.settings),
            probes=probes,
            restored=probes.crops_of(training.restore()) if training.best else None,
            state="complete" if isinstance(outcome, Complete) else "pruned",
            reason=outcome.reason if isinstance(outcome, Pruned) else None,
        )
        if sheet is None:
            return
        try:
            save_picture(self._path(PANEL), sheet)
            self.trial.set_user_attr("picture", str(self._path(PANEL)))
        except OSError as error:
            log.warning("no picture for trial %d: %s", self.trial.number, error)

    def _path(self, name: str) -> Path:
        return _directory(self.opened, self.trial, self.place) / name


def _describe_run(opened: OpenStudy, trial: Trial, place: Place) -> dict[str, Any]:
    """What the trial is trained with; a trial that goes on keeps what it began with.

    The thread count is part of it: one and two threads round differently.
    """
    begun = trial.user_attrs.get("run")
    if begun is not None:
        return dict(begun)
    return {
        "seed": seed_for(opened.study.search.seed, "trial", trial.number),
        "device": _device_name(place.device),
        "threads": place.threads,
        "precision": choose_precision(place.device),
        "versions": versions(),
        "git": git_state(),
        "data_hash": opened.attr(DATA)["hash"],
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _directory(opened: OpenStudy, trial: Trial, place: Place) -> Path:
    uid = opened.attr(DATA)["uid"]
    return trial_directory(place.settings, opened.study.name, uid, trial.number)


def _finite(result: EpochResult) -> bool:
    return math.isfinite(result.train_loss) and math.isfinite(result.val_mse)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
