"""What a finalize will do, and all that can be refused before it costs anything."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from autoencoder_hpo.bundle.folder import check_free
from autoencoder_hpo.bundle.manifest import MANIFEST
from autoencoder_hpo.config import TrialConfig
from autoencoder_hpo.errors import DiskError, StudyError
from autoencoder_hpo.finalize.access import looks_of, second_look
from autoencoder_hpo.finalize.pending import read_pending
from autoencoder_hpo.finalize.retraining import How, Job
from autoencoder_hpo.processes import slots, usable_cores
from autoencoder_hpo.seeds import seed_for
from autoencoder_hpo.settings import Settings, make_directory
from autoencoder_hpo.showcase.store import study_directory
from autoencoder_hpo.storage.status import OVER, summary
from autoencoder_hpo.storage.study import StudyHandle, best_first, count
from autoencoder_hpo.training.precision import choose_precision

SLOW_IMAGES = 200


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line says."""

    top: int = 3
    seeds: int = 3
    epochs: int | None = None
    """Of the training on everything; the winner's own when left out."""
    workers: int | None = None
    device: str | None = None
    threads: int | None = None
    """Of the training on everything, which is alone; all cores when left out."""
    out: Path | None = None
    slow_images: int = SLOW_IMAGES
    """Test images of the slow baselines."""
    again: bool = False
    overwrite: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True)
class Contender:
    """One of the study's best trials."""

    trial: int
    config: TrialConfig
    parameters: int


@dataclass(frozen=True, slots=True)
class Plan:
    opened: StudyHandle
    settings: Settings
    request: Request
    contenders: tuple[Contender, ...]
    jobs: tuple[Job, ...]
    workers: int
    folder: Path
    """Where results and checkpoints wait for the next start."""
    out: Path
    key: str
    """Equal for a finalize that goes on with an earlier one, and for no other."""

    @property
    def threads(self) -> int:
        return self.request.threads or usable_cores()

    def of(self, trial: int) -> Contender:
        return next(each for each in self.contenders if each.trial == trial)

    def job_on_everything(self, trial: int, data_hash: str) -> Job:
        """The winner's last training; all cores train it, as it is alone."""
        contender, own, epochs = self.of(trial), self.jobs[0].how, self.request.epochs
        task, config = self.opened.study.task, contender.config
        if epochs is not None:
            task = task.model_copy(update={"epochs": epochs})
            config = config.model_copy(update={"epochs": None})
        return Job(
            trial=trial,
            repeat=None,
            task=task,
            config=config,
            seed=seed_for(self.opened.study.search.seed, "finalize", trial, "everything"),
            best_by=self.opened.study.search.objective,
            data_hash=data_hash,
            how=How(own.device, self.threads, own.precision),
        )


def make_plan(opened: StudyHandle, request: Request, settings: Settings) -> Plan:
    """Look at everything but the images.

    Raises:
        StudyError: the study is not finished, has no complete trial, or was looked at already.
        DiskError: there is a bundle already, or no place for one.
        BundleError: something that is no bundle would be overwritten.
        DeviceError: there is no such device.
    """
    _refuse_unfinished(opened, request)
    contenders = _contenders(opened, request.top)
    out = request.out or Path(f"{opened.name}.denoiser")
    _check_output(out, overwrite=request.overwrite)
    places = slots(request.device, None)
    jobs = _jobs(opened, contenders, request.seeds, [place.device for place in places])
    folder = study_directory(settings, opened.study.name, opened.data.uid) / "finalize"
    make_directory(folder)
    workers = len(places) if request.workers is None else max(1, request.workers)
    plan = Plan(
        opened, settings, request, contenders, jobs, workers, folder, out, _key(jobs, request)
    )
    _check_room(plan)
    refuse_second_look(plan)
    return plan


def refuse_second_look(plan: Plan) -> None:
    """Unless it was asked for, or this goes on with the look that was interrupted.

    Raises:
        StudyError: it is a second one.
    """
    looks = looks_of(plan.opened)
    pending = read_pending(plan.folder, plan.key)
    mine = pending is not None and any(look.id == pending.id for look in looks)
    if looks and not mine and not plan.request.again:
        raise second_look(plan.opened.name, looks)


@contextmanager
def alone(plan: Plan) -> Iterator[None]:
    """One finalize of a study at a time on this machine.

    Raises:
        StudyError: another one is running.
    """
    lock = FileLock(plan.folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise StudyError(
            f"study {plan.opened.name}",
            ["another finalize of it is running on this machine; wait for it, or stop it"],
        ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_unfinished(opened: StudyHandle, request: Request) -> None:
    state, counts = summary(opened).state, count(opened.trials())
    waiting = 0 if state == "timed out" else counts.waiting  # nobody takes them any more
    going = counts.running + waiting
    if request.now or (state in OVER and not going):
        return
    what = f"{counts.running} trials running and {waiting} waiting" if going else state
    raise StudyError(
        f"study {opened.name}",
        [
            f"is not finished ({what}); `autoencoder-hpo resume {opened.name}` goes on with it, "
            "and --now takes the trials that there are"
        ],
    )


def _contenders(opened: StudyHandle, top: int) -> tuple[Contender, ...]:
    best = best_first(opened.stored_trials(), opened.study.search.objective)
    found = [
        Contender(trial.number, config, parameters)
        for trial in best
        if (config := trial.config) and (parameters := trial.record.parameters)
    ]
    if not found:
        raise StudyError(
            f"study {opened.name}",
            [f"no trial is complete; `autoencoder-hpo resume {opened.name}` trains some"],
        )
    return tuple(found[:top])


def _jobs(
    opened: StudyHandle, contenders: Sequence[Contender], seeds: int, devices: Sequence[str]
) -> tuple[Job, ...]:
    """Every contender with every seed; one thread each, however many are trained side by side."""
    precision = choose_precision(torch.device(devices[0]))
    pairs = [(each, repeat) for repeat in range(seeds) for each in contenders]
    return tuple(
        Job(
            trial=each.trial,
            repeat=repeat,
            task=opened.study.task,
            config=each.config,
            seed=seed_for(opened.study.search.seed, "finalize", each.trial, repeat),
            best_by=opened.study.search.objective,
            data_hash=opened.data.hash,
            how=How(devices[index % len(devices)], 1, precision),
        )
        for index, (each, repeat) in enumerate(pairs)
    )


def _key(jobs: Sequence[Job], request: Request) -> str:
    said = [[job.identity.as_record() for job in jobs], request.epochs, request.slow_images]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _check_output(out: Path, *, overwrite: bool) -> None:
    if os.path.lexists(out) and not overwrite:
        raise DiskError(
            f"{out}: is there already; --overwrite replaces it, --out FOLDER writes another"
        )
    check_free(out, replaces=MANIFEST)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=".write-test-"):
            pass
    except OSError as error:
        raise DiskError(
            f"{out}: {error.strerror}; --out FOLDER writes the denoiser elsewhere"
        ) from error


def _check_room(plan: Plan) -> None:
    """Weights of every retraining, and a checkpoint with an optimizer's state for each process."""
    largest = 4 * max(each.parameters for each in plan.contenders)
    for folder, copies in (
        (plan.folder, len(plan.jobs) + 1 + 8 * plan.workers),
        (plan.out.parent, 4),
    ):
        needed, free = copies * largest + 2**20, shutil.disk_usage(folder).free
        if free < needed:
            raise DiskError(
                f"{folder}: {free / 2**20:,.0f} MiB are free, and {needed / 2**20:,.0f} MiB are "
                "needed; free some space"
            )
