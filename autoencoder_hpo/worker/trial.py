"""Where the search meets the training: one trial, start to finish."""

import logging
import math
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_never

import torch
from optuna.trial import Trial

from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.errors import (
    AutoencoderHpoError,
    CheckpointError,
    StudyError,
    UnreachableError,
)
from autoencoder_hpo.files import write_atomically
from autoencoder_hpo.provenance import cpu_name, git_state, versions
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.showcase.preview_images import choose_probes
from autoencoder_hpo.showcase.store import CHECKPOINT, PANEL, open_store, trial_directory
from autoencoder_hpo.showcase.trial import Shown, note_failure, show_trial
from autoencoder_hpo.space import fill
from autoencoder_hpo.storage.claiming import Claimed
from autoencoder_hpo.storage.leases import Ownership, begin, finish, release
from autoencoder_hpo.storage.outages import is_outage
from autoencoder_hpo.storage.records import (
    Cause,
    RunRecord,
    StoredTrial,
    TrialRecord,
)
from autoencoder_hpo.storage.samplers import is_rung
from autoencoder_hpo.storage.study import StudyHandle
from autoencoder_hpo.training.checkpoint import Identity, load_checkpoint, save_checkpoint
from autoencoder_hpo.training.devices import device_name
from autoencoder_hpo.training.folds import FoldedTraining, build_training
from autoencoder_hpo.training.health import health_of
from autoencoder_hpo.training.loop import Cancelled, Training, stalled
from autoencoder_hpo.training.precision import choose_precision
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import EpochResult
from autoencoder_hpo.training.steps import Steps, drive
from autoencoder_hpo.worker.context import WorkerContext
from autoencoder_hpo.worker.heartbeat import Heartbeat
from autoencoder_hpo.worker.outcomes import (
    STATES,
    Abandoned,
    Complete,
    Failed,
    HandedBack,
    Outcome,
    Pruned,
    first_line,
    with_end,
)
from autoencoder_hpo.worker.pruning import AsyncPruner

log = logging.getLogger(__name__)

SAVE_S = 2.0
"""Shorter epochs are saved only this often: a killed worker's successor trains so much again."""


def run_trial(
    opened: StudyHandle,
    claimed: Claimed,
    data: Sequence[DeviceData],
    context: WorkerContext,
    *,
    cancelled: Callable[[], bool],
) -> Outcome:
    """Train what the trial suggests and tell the study how it ended.

    No failure of the trial escapes. An outage of the database is waited out.

    Raises:
        UnreachableError: the database stayed away; the checkpoint keeps what was trained.
        StudyError: the study was deleted meanwhile.
    """
    return drive(trial_steps(opened, claimed, data, context, cancelled=cancelled))


def trial_steps(
    opened: StudyHandle,
    claimed: Claimed,
    data: Sequence[DeviceData],
    context: WorkerContext,
    *,
    cancelled: Callable[[], bool],
) -> Steps[Outcome]:
    """The same for whoever takes its steps along with those of other trials."""
    deadline = math.inf
    if claimed.seconds_left is not None:
        deadline = time.monotonic() + claimed.seconds_left
    with Heartbeat(opened, claimed.trial_id, context.worker) as heartbeat:
        run = TrialRun(opened, claimed, data, context, heartbeat)
        outcome = yield from run.train(
            lambda: cancelled() or heartbeat.called_off or time.monotonic() > deadline
        )
        return run.end(outcome, stop=cancelled)


class TrialRun:
    """One trial on its way from a suggestion to an outcome.

    What is known of it is collected in `record`, and told when it ends.
    """

    def __init__(
        self,
        opened: StudyHandle,
        claimed: Claimed,
        data: Sequence[DeviceData],
        context: WorkerContext,
        heartbeat: Heartbeat,
    ) -> None:
        self.opened = opened
        self.claimed = claimed
        self.data = data
        self.context = context
        self.heartbeat = heartbeat
        self.metric = opened.study.search.objective
        self.is_rung = is_rung(opened.study)
        self.pruner = AsyncPruner(opened, claimed.number, heartbeat)
        self._values: dict[int, float] = {}
        self.record = TrialRecord()
        self.rows: dict[str, str] = {}
        self.seconds = 0.0
        self._can_save = True

    # ---- from the suggestion to the outcome ---------------------------------------------

    def train(self, cancelled: Callable[[], bool]) -> Steps[Outcome]:
        """Draw the trial's config and train it; whatever goes wrong is its outcome."""
        self._cancelled = cancelled
        try:
            self.opened.storage.with_retry(self._draw, cancelled)
            training = self._build()
            with self.pruner:
                ended = yield from self._train_epochs(training)
            outcome = ended or self._finish(training)
            self._record(training)
            if isinstance(outcome, Complete | Pruned):
                self._examine(training)
                self._show(training, outcome)
            return outcome
        except Cancelled:
            return HandedBack()
        except UnreachableError:
            raise
        except torch.OutOfMemoryError as error:
            reason = f"out of memory on the device: {first_line(error)}"
            return Pruned(reason, Cause.OUT_OF_MEMORY)
        except AutoencoderHpoError as error:
            return Failed(str(error), Cause.ERROR)
        except Exception as error:  # whatever it is, the worker goes on with the next trial
            if is_outage(error):
                raise
            if "can't allocate memory" in str(error):  # the CPU's allocator raises RuntimeError
                return Pruned(f"out of memory: {first_line(error)}", Cause.OUT_OF_MEMORY)
            reason = f"{type(error).__name__}: {first_line(error)}"
            return Failed(reason, Cause.BUG, traceback.format_exc())

    def _draw(self) -> None:
        """Ask the sampler; a trial that was drawn before keeps what it was."""
        self.opened.trials()  # Optuna's cache learns that there is one more
        trial = Trial(self.opened.optuna, self.claimed.trial_id)
        self.config = TrialConfig.model_validate(fill(self.opened.study.space, trial).config)
        self.run = TrialRecord.of_attrs(trial.user_attrs).run or self._describe_run()

    def _build(self) -> Training | FoldedTraining:
        torch.set_num_threads(self.run.threads)
        training: Training | FoldedTraining
        training = build_training(
            self.opened.study.task,
            self.config,
            self.data,
            seed=self.run.seed,
            precision=self.run.precision,
            best_by=self.metric,
            cancelled=lambda: self._cancelled() or self._falls_behind(self.pruner.behind),
            dropped=lambda: self._falls_behind(self.pruner.awaited),
            save=lambda: self._save(training),
        )
        self._ended: Pruned | None = None
        self._load(training)
        self.record = TrialRecord(
            config=self.config.model_dump(mode="json"),
            run=self.run,
            device=self.run.device,
            worker=self.context.worker,
        )
        trial, worker = self.claimed.trial_id, self.context.worker
        reached = len(training.history)
        self.opened.storage.with_retry(
            lambda: begin(self.opened, trial, worker, self.record, reached=reached),
            self._cancelled,
        )
        self._report(training.history)
        self.opened.storage.release_connections()
        return training

    def _train_epochs(self, training: Training | FoldedTraining) -> Steps[Pruned | None]:
        """The epochs that are left; None when all of them were trained."""
        try:
            yield from self._train_on(training)
        except Cancelled:
            if not self._falls_behind(self.pruner.behind):
                self._save(training)
                raise
        if self._falls_behind(self.pruner.awaited):
            kind, last = self.opened.study.search.pruner.kind, len(training.history)
            reason = f"unpromising after epoch {last} ({kind} pruner)"
            self._ended = Pruned(reason, Cause.UNPROMISING)
        if self._ended is not None:
            self._save(training)  # should the database be away, the verdict is not lost
        return self._ended

    def _train_on(self, training: Training | FoldedTraining) -> Steps[None]:
        started, saved = time.monotonic(), -math.inf
        while self._ended is None and not self._has_stalled(training):
            result = yield from training.advance()
            if result is None:
                return
            now = time.monotonic()
            self.seconds += now - started
            started = now
            last = training.finished or self._has_stalled(training)
            if last or now - saved > SAVE_S:
                self._save(training)
                saved = now
            self._ended = self._judge(result)

    def _falls_behind(self, verdict: Callable[[], bool]) -> bool:
        """What the pruner says of a trial that has not ended anyhow."""
        return self._ended is None and verdict()

    def _has_stalled(self, training: Training | FoldedTraining) -> bool:
        patience = self.config.early_stopping
        return bool(patience and stalled(training.history, patience, self.metric))

    def _judge(self, result: EpochResult) -> Pruned | None:
        """Report the epoch, and ask the pruner; an outcome when it was the trial's last."""
        if not result.finite:
            reason = f"the loss was not finite in epoch {result.epoch}"
            return Pruned(reason, Cause.NOT_FINITE)
        self._report([result])
        if self.is_rung(result.epoch):
            self.pruner.ask(self._values)
        return None

    def _report(self, results: Sequence[EpochResult]) -> None:
        for result in results:
            if result.finite:
                value = self._values[result.epoch] = self.metric.of(result)
                self.heartbeat.epoch(result.epoch, value, result.val_psnr)

    def _finish(self, training: Training | FoldedTraining) -> Complete:
        assert training.best is not None, "every finite history has a best epoch"
        scores = training.scores()
        self.record = replace(
            self.record,
            scores=scores,
            groups=training.group_psnr(),
            best_epoch=training.best.epoch,
        )
        return Complete(self.metric.of(scores))

    def _record(self, training: Training | FoldedTraining) -> None:
        """What complete and pruned trials keep: curve, size, cost, and the best epoch's PSNR."""
        self.record = replace(
            self.record,
            parameters=training.parameters,
            seconds=round(self.seconds, 3),
            n_fused=training.n_fused,
            history=tuple(result for result in training.history if result.finite),
        )
        if training.best is not None:
            psnr, noisy = training.best.val_psnr, self.opened.data.noisy.psnr
            shown = self.metric.shown
            self.record = replace(
                self.record,
                val_psnr=psnr,
                also={} if shown.seen_as_psnr else {shown.value: shown.of(training.best)},
                psnr_gain=None if noisy is None else psnr - noisy,
            )

    # ---- telling ------------------------------------------------------------------------

    def end(self, outcome: Outcome, stop: Callable[[], bool]) -> Outcome:
        """Tell the study; returns what became of the trial."""
        opened, trial, worker = self.opened, self.claimed.trial_id, self.context.worker
        if isinstance(outcome, HandedBack | Abandoned):
            opened.storage.with_retry(lambda: release(opened, trial, worker), stop)
            return self._of_another(self.heartbeat.ownership) or outcome
        if isinstance(outcome, Failed):
            opened.storage.with_retry(lambda: note_failure(opened, self._as_told(outcome)), stop)
        epochs = self.heartbeat.take_untold()
        record = with_end(self.record, outcome)
        system: dict[str, Any] = dict(self.rows)
        if record.cause is not None and record.cause.infeasible:
            system["constraints:trainable"] = 1.0  # what TPE learns from (R8, R21)
        value = self._value(outcome)
        ownership = opened.storage.with_retry(
            lambda: finish(
                opened, trial, worker, STATES[type(outcome)], value,
                epochs=epochs, record=record, system=system,
            ),
            stop,
        )  # fmt: skip
        other = self._of_another(ownership)
        if other is None or ownership.state not in ("RUNNING", "WAITING"):
            with suppress(OSError):  # no longer needed; `delete` removes what stays
                self._path(CHECKPOINT).unlink()
        return other or outcome

    def _of_another(self, ownership: Ownership) -> Abandoned | None:
        match ownership.owner:
            case "gone":
                raise StudyError(
                    f"study {self.opened.name}",
                    [f"it was deleted while this worker trained its trial {self.claimed.number}"],
                )
            case "other":
                number = self.claimed.number
                log.warning("trial %d was taken over by another worker; its result stands", number)
                return Abandoned()
            case "mine":
                return None
            case _ as never:
                assert_never(never)

    def _value(self, outcome: Outcome) -> float | None:
        """A pruned trial is worth its last epoch, as Optuna has it."""
        if isinstance(outcome, Complete):
            return outcome.value
        if isinstance(outcome, Pruned) and self.record.epochs:
            return self.metric.of(self.record.epochs[-1])
        return None

    def _as_told(self, outcome: Outcome) -> StoredTrial:
        """The trial as it will be when it is told."""
        told = self.opened.storage.rdb.get_trial(self.claimed.trial_id)
        told.state = STATES[type(outcome)]
        return StoredTrial(told, with_end(self.record, outcome))

    # ---- files: useful, but never worth a trial's result --------------------------------

    @property
    def _identity(self) -> Identity:
        """What a checkpoint must have been made for."""
        return Identity(
            config=self.config,
            task=self.opened.study.task,
            more={
                "seed": self.run.seed,
                "data_hash": self.run.data_hash,
                "precision": self.run.precision,
            },
        )

    def _load(self, training: Training | FoldedTraining) -> None:
        """Go on from the checkpoint, if there is one."""
        path = self._path(CHECKPOINT)
        if not path.exists():
            return
        try:
            state = load_checkpoint(path, self._identity)
        except CheckpointError as error:
            log.warning("%s; the trial starts from its first epoch", error)
            return
        self.seconds = state.pop("seconds")
        ended = state.pop("ended")
        self._ended = None if ended is None else Pruned.of_record(ended)
        training.load_state_dict(state)

    def _save(self, training: Training | FoldedTraining) -> None:
        if not self._can_save or self.heartbeat.ownership.owner != "mine":
            return
        ended = None if self._ended is None else self._ended.as_record()
        state = {**training.state_dict(), "seconds": self.seconds, "ended": ended}
        try:
            path = self._path(CHECKPOINT)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_checkpoint(path, state, self._identity)
        except OSError as error:
            self._can_save = False
            log.warning("no checkpoint for trial %d: %s", self.claimed.number, error)

    def _examine(self, training: Training | FoldedTraining) -> None:
        """What a diagnosis reads of the model itself."""
        if training.best is None:
            return
        try:
            self.record = replace(self.record, health=health_of(training))
        except Exception as error:  # such as no memory for gradients: the result is worth more
            log.warning("trial %d was not examined: %s", self.claimed.number, first_line(error))

    def _show(self, training: Training | FoldedTraining, outcome: Outcome) -> None:
        """What the dashboard shows of the trial, and the same picture in its folder."""
        probes = choose_probes(self.data[0])
        restored = probes.crops_of(training.restore()) if training.best else None
        store = open_store(self.context.settings)

        def show() -> Shown:
            told = self._as_told(outcome)
            return show_trial(self.opened, told, store=store, probes=probes, restored=restored)

        shown = self.opened.storage.with_retry(show, self._cancelled)
        self.rows |= shown.rows
        self.record = replace(self.record, no_pictures=shown.no_pictures)
        if shown.sheet is None:
            return
        try:
            self._path(PANEL).parent.mkdir(parents=True, exist_ok=True)
            with write_atomically(self._path(PANEL)) as file:
                file.write(shown.sheet)
            self.record = replace(self.record, picture=str(self._path(PANEL)))
        except OSError as error:
            log.warning("no picture for trial %d: %s", self.claimed.number, error)

    def _path(self, name: str) -> Path:
        uid, study = self.opened.data.uid, self.opened.study.name
        return trial_directory(self.context.settings, study, uid, self.claimed.number) / name

    def _describe_run(self) -> RunRecord:
        """What the trial is trained with; a trial that goes on keeps what it began with."""
        return RunRecord(
            seed=seed_for(self.opened.study.search.seed, "trial", self.claimed.number),
            device=device_name(self.context.device),
            cpu=cpu_name(),
            threads=self.context.threads,
            precision=choose_precision(self.context.device),
            versions=versions(),
            git=git_state(),
            data_hash=self.opened.data.hash,
        )
