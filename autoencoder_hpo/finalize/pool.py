"""Many retrainings, one after the other in this process or side by side in several.

A process of the pool is sent jobs through a pipe, and sends its epochs back. Whatever comes while
it trains, the pipe's end included, tells it to stop: a pool whose parent was killed ends by itself.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from autoencoder_hpo.errors import AutoencoderHpoError
from autoencoder_hpo.finalize.images import load_images, prepare_search
from autoencoder_hpo.finalize.results import Step
from autoencoder_hpo.finalize.retraining import Job, read_result, retrain
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.study import StudyFile
from autoencoder_hpo.training.loop import Cancelled
from autoencoder_hpo.training.prepared import DeviceData
from autoencoder_hpo.training.results import EpochResult

PATIENCE_S = 10.0
"""How long a process may take to end its step."""

Tell = Callable[[Step], object]


@dataclass(frozen=True, slots=True)
class Ready:
    """A process has its images, and wants a job; `name` is the one that it has done."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """A process cannot go on; an error of ours has no trace."""

    said: str
    trace: str


def train_alone(
    jobs: Sequence[Job], data: Callable[[], DeviceData], folder: Path, tell: Tell
) -> None:
    """Do these jobs in this process; `data` is asked for when one is not done yet.

    Raises:
        DiskError: the folder cannot be written.
    """
    left = _left(jobs, folder, tell)
    prepared = data() if left else None
    for job in left:
        assert prepared is not None
        _one(job, prepared, folder, tell)
        tell(done(job))


def train_together(
    jobs: Sequence[Job],
    file: StudyFile,
    settings: Settings,
    folder: Path,
    tell: Tell,
    *,
    workers: int,
) -> None:
    """Do these jobs in so many processes, each with images of its own.

    Raises:
        AutoencoderHpoError: one of them cannot go on.
    """
    left = _left(jobs, folder, tell)
    pool = [_Member(file, settings, folder) for _ in range(min(workers, len(left)))]
    try:
        _hand_out(left, pool, tell)
    finally:
        for member in pool:
            member.dismiss()
        for member in pool:
            member.end()


def step(job: Job, result: EpochResult) -> Step:
    return Step(job.name, job.said, result.epoch, job.epochs, result.val_psnr)


def done(job: Job) -> Step:
    return Step(job.name, job.said, job.epochs, job.epochs, None)


def _left(jobs: Sequence[Job], folder: Path, tell: Tell) -> list[Job]:
    """Those that are not done yet; all are told, so that every bar is there from the start."""
    left = []
    for job in jobs:
        if read_result(job, folder) is None:
            left.append(job)
            tell(Step(job.name, job.said, 0, job.epochs, None))
        else:
            tell(done(job))
    return left


class _Member:
    """One process of the pool, and our end of its pipe."""

    def __init__(self, file: StudyFile, settings: Settings, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")  # torch and CUDA do not survive a fork
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, file, settings, folder), daemon=True
        )
        with _deaf():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process

    def dismiss(self) -> None:
        self.pipe.close()

    def end(self) -> None:
        self.process.join(PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started in this block never hears a Ctrl-C: the pipe's end stops it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_out(left: list[Job], pool: list[_Member], tell: Tell) -> None:
    waiting, jobs = list(left), {job.name: job for job in left}
    by_pipe = {member.pipe: member for member in pool}
    while jobs:
        for pipe in wait(list(by_pipe)):
            assert isinstance(pipe, Connection)
            match _heard(by_pipe[pipe]):
                case Step() as told:
                    tell(told)
                case Ready(name):
                    if name is not None:
                        tell(done(jobs.pop(name)))
                    if waiting:
                        pipe.send(waiting.pop(0))
                case Broken(said, trace):
                    raise AutoencoderHpoError(said) if not trace else RuntimeError(trace)


def _heard(member: _Member) -> object:
    try:
        return member.pipe.recv()
    except (EOFError, ConnectionError):
        member.process.join(PATIENCE_S)
        raise AutoencoderHpoError(
            f"a retraining's process ended with code {member.process.exitcode}; was it killed for "
            "its memory? The same command goes on; with fewer --workers it needs less"
        ) from None


# ---- in the process --------------------------------------------------------------------


def _serve(pipe: Connection, file: StudyFile, settings: Settings, folder: Path) -> None:
    try:
        _work(pipe, file, settings, folder)
    except (EOFError, ConnectionError, Cancelled):
        return
    except Exception as error:
        ours = isinstance(error, AutoencoderHpoError | OSError | torch.OutOfMemoryError)
        pipe.send(Broken(str(error), "" if ours else traceback.format_exc()))


def _work(pipe: Connection, file: StudyFile, settings: Settings, folder: Path) -> None:
    pipe.send(Ready())
    job = pipe.recv()
    images = load_images(file, settings)
    on_device = cache(lambda device: prepare_search(file, images, torch.device(device)))
    while True:
        _one(job, on_device(job.how.device), folder, pipe.send, cancelled=pipe.poll)
        pipe.send(Ready(job.name))
        job = pipe.recv()


def _one(
    job: Job,
    data: DeviceData,
    folder: Path,
    tell: Tell,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    def epoch_done(result: EpochResult) -> None:
        tell(step(job, result))

    retrain(job, data, folder, epoch_done=epoch_done, cancelled=cancelled)
