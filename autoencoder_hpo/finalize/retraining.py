"""A trial trained again from another seed: resumed where it was, stored in one file, read again."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from autoencoder_hpo.config import Task, TrialConfig
from autoencoder_hpo.config.metric import Metric
from autoencoder_hpo.errors import CheckpointError, DiskError
from autoencoder_hpo.files import write_atomically
from autoencoder_hpo.training.checkpoint import Identity, load_checkpoint, save_checkpoint
from autoencoder_hpo.training.loop import Cancelled, Training, stalled
from autoencoder_hpo.training.metrics import per_image
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import EpochResult, Precision
from autoencoder_hpo.training.steps import drive

log = logging.getLogger(__name__)

VERSION = 1
SAVE_S = 2.0
"""Shorter epochs are saved only this often, and the last one."""


@dataclass(frozen=True, slots=True)
class How:
    """What a training rounds by: equal values give equal weights on one machine."""

    device: str
    threads: int
    precision: Precision


@dataclass(frozen=True, slots=True)
class Job:
    """One retraining. `repeat` counts the seeds; None is the one on all training images."""

    trial: int
    repeat: int | None
    task: Task
    config: TrialConfig
    seed: int
    best_by: Metric
    data_hash: str
    how: How

    @property
    def name(self) -> str:
        return f"trial-{self.trial}-{'full' if self.repeat is None else f'seed-{self.repeat}'}"

    @property
    def said(self) -> str:
        part = "all training images" if self.repeat is None else f"seed {self.repeat + 1}"
        return f"trial {self.trial}, {part}"

    @property
    def epochs(self) -> int:
        return self.config.epochs or self.task.epochs

    @property
    def judged_by(self) -> str:
        """The tensor of a stored result that holds the score of every image, such as `psnr_N`."""
        return f"{self.best_by.shown.key}_N"

    @property
    def identity(self) -> Identity:
        """What a stored result must have been made for."""
        more = {
            "version": VERSION,
            "trial": self.trial,
            "repeat": self.repeat,
            "seed": self.seed,
            "best_by": self.best_by.value,
            "data_hash": self.data_hash,
            "how": {**asdict(self.how), "device": self.how.device.partition(":")[0]},
        }
        return Identity(self.config, self.task, more)


@dataclass(frozen=True, slots=True, eq=False)
class Retrained:
    """What a retraining came to; `best_epoch` is 0 when no epoch had a finite loss."""

    epochs: int
    best_epoch: int
    parameters: int
    values_N: Tensor
    """float64, of every validation image as the best epoch restores it: PSNR in dB, or what else
    people see of the study's objective (`Metric.shown`)."""
    weights: dict[str, Tensor]
    """Of the best epoch, on the CPU."""

    @property
    def diverged(self) -> bool:
        return self.best_epoch == 0


def retrain(
    job: Job,
    data: DeviceData,
    folder: Path,
    *,
    epoch_done: Callable[[EpochResult], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Retrained:
    """Train, or go on from the checkpoint, or read what is stored; the result is in `folder`.

    Raises:
        Cancelled: as asked; what was trained is in the checkpoint.
        DiskError: the folder cannot be written.
    """
    found = read_result(job, folder)
    if found is not None:
        return found
    torch.set_num_threads(job.how.threads)
    checkpoint = folder / f"{job.name}.checkpoint"

    def keep() -> None:
        with _disk(checkpoint):
            save_checkpoint(checkpoint, training.state_dict(), job.identity)

    training = Training(
        job.task,
        job.config,
        data,
        seed=job.seed,
        precision=job.how.precision,
        best_by=job.best_by,
        cancelled=cancelled,
        save=keep,
    )
    _load(training, checkpoint, job)
    for result in training.history:
        epoch_done(result)
    _train(training, keep, epoch_done)
    write_result(job, _result(training), folder)
    checkpoint.unlink(missing_ok=True)
    return _stored(job, folder)


def read_result(job: Job, folder: Path) -> Retrained | None:
    """What is stored for this very job; None when there is nothing, or it is for another."""
    path = result_path(job, folder)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        log.warning("%s cannot be read (%s); it is trained again", path, error)
        return None
    if not job.identity.is_of(about["identity"]):
        return None
    scores = tensors.pop(job.judged_by)
    weights = {name.removeprefix("weights."): tensor for name, tensor in tensors.items()}
    return Retrained(about["epochs"], about["best_epoch"], about["parameters"], scores, weights)


def write_result(job: Job, result: Retrained, folder: Path) -> None:
    about = {
        "identity": job.identity.as_record(),
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "parameters": result.parameters,
    }
    tensors = {f"weights.{name}": tensor for name, tensor in result.weights.items()}
    encoded = save({**tensors, job.judged_by: result.values_N}, {"about": json.dumps(about)})
    keep_whole(result_path(job, folder), encoded)


def result_path(job: Job, folder: Path) -> Path:
    return folder / f"{job.name}.safetensors"


def keep_whole(path: Path, content: bytes) -> None:
    """Write all of it or nothing, for a command that can be given again. Raises DiskError."""
    with _disk(path), write_atomically(path, durable=True) as file:
        file.write(content)


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """A full disk, in words: its own error names no file."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: {error.strerror}; free some space, and the same command goes on"
        ) from error


def _train(
    training: Training, keep: Callable[[], None], epoch_done: Callable[[EpochResult], None]
) -> None:
    saved = -math.inf
    while not _over(training):
        try:
            result = drive(training.advance())
        except Cancelled:
            keep()
            raise
        assert result is not None, "a training that is not over has an epoch left"
        now = time.monotonic()
        if _over(training) or now - saved > SAVE_S:
            keep()
            saved = now
        epoch_done(result)


def _over(training: Training) -> bool:
    patience = training.config.early_stopping
    return (
        training.finished
        or bool(training.history and not training.history[-1].finite)
        or bool(patience and stalled(training.history, patience, training.best_by))
    )


def _load(training: Training, checkpoint: Path, job: Job) -> None:
    if not checkpoint.exists():
        return
    try:
        training.load_state_dict(load_checkpoint(checkpoint, job.identity))
    except CheckpointError as error:
        log.warning("%s; %s starts from its first epoch", error, job.said)


def _result(training: Training) -> Retrained:
    if training.best is None:
        nothing = torch.zeros(0, dtype=torch.float64)
        return Retrained(len(training.history), 0, training.parameters, nothing, {})
    restored = training.restore().clamp(0, 1)  # as the bundle does
    values_N = per_image(training.best_by.shown, restored, training.data.val_clean.cpu())
    return Retrained(
        epochs=len(training.history),
        best_epoch=training.best.epoch,
        parameters=training.parameters,
        values_N=values_N.double(),
        weights={
            name: tensor.cpu().contiguous()
            for name, tensor in training.state_dict()["best"].items()
        },
    )


def _stored(job: Job, folder: Path) -> Retrained:
    stored = read_result(job, folder)
    assert stored is not None, "it was written a moment ago"
    return stored
