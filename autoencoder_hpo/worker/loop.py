"""One worker: claim a trial, train it, tell the study, until nothing is left to do."""

import logging
import os
import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import torch
from optuna.trial import FrozenTrial

from autoencoder_hpo.errors import DataError, StudyError, UnreachableError
from autoencoder_hpo.inputs import Inputs, load_inputs, refuse_other_data
from autoencoder_hpo.settings import Settings
from autoencoder_hpo.showcase.preview_images import choose_probes
from autoencoder_hpo.showcase.store import open_store, remove_checkpoints
from autoencoder_hpo.showcase.study import refresh
from autoencoder_hpo.stopping import StopFlag
from autoencoder_hpo.storage.claiming import Claimed, NoTrial, claim, has_work
from autoencoder_hpo.storage.database import Storage
from autoencoder_hpo.storage.records import stored
from autoencoder_hpo.storage.samplers import with_search
from autoencoder_hpo.storage.study import open_study
from autoencoder_hpo.storage.wording import trial_line
from autoencoder_hpo.worker.batching import Batcher, NumberFused
from autoencoder_hpo.worker.context import WorkerContext

log = logging.getLogger(__name__)
POLL_S = (0.5, 5.0)
"""The first and the longest pause between two looks for a trial, while others still work."""


class Pauses:
    """The pauses of a worker that has nothing to do: they grow, without a connection."""

    def __init__(self, storage: Storage, stop: StopFlag) -> None:
        self._storage = storage
        self._stop = stop
        self.start_over()

    @property
    def begun(self) -> bool:
        return self._seconds > POLL_S[0]

    def start_over(self) -> None:
        self._seconds = POLL_S[0]

    def wait(self) -> None:
        self._storage.release_connections()
        self._stop.wait(random.uniform(0.5, 1.0) * self._seconds)
        self._seconds = min(POLL_S[1], 1.5 * self._seconds)


class Worker:
    """One worker process: where it trains, and the studies that it has open."""

    def __init__(
        self,
        storage: Storage,
        *,
        settings: Settings,
        device: torch.device,
        threads: int,
        stop: StopFlag,
        stack: NumberFused = "auto",
    ) -> None:
        torch.set_num_threads(threads)
        open_store(settings)  # a wrong URL is said before a trial is claimed
        self.storage = storage
        self.context = WorkerContext(
            worker=worker_id(), device=device, threads=threads, settings=settings
        )
        self.stop = stop
        self._batcher = Batcher(stack)
        self._sessions: dict[int, StudySession] = {}

    def work_on(self, name: str) -> NoTrial | None:
        """Work on a study until its budget is used up or a signal says stop.

        Returns why there was nothing left to do; None when it was stopped.

        Raises:
            StudyError: no such study, or the images here are not its images.
        """
        session = self._open(name)
        pauses = Pauses(self.storage, self.stop)
        while not self.stop():
            match self._turn(session):
                case NoTrial(why="wait" | "paused"):
                    pauses.wait()
                case NoTrial() as nothing:
                    session.clear(self.stop)
                    return nothing
                case _:
                    pauses.start_over()
        return None

    def _open(self, name: str) -> "StudySession":
        return self.storage.with_retry(
            lambda: StudySession(self.storage, name, self.context, self._batcher), self.stop
        )

    def _turn(self, session: "StudySession") -> NoTrial | list[Claimed] | None:
        """One trial, and those that were trained along with it.

        None when we were asked to stop while the database was away.
        """
        try:
            return session.turn(self.stop)
        except KeyboardInterrupt:  # while the images were read: nothing was claimed
            return None
        except UnreachableError:
            if not self.stop():
                raise
            log.warning("a trial stays claimed until the database answers; its checkpoint is kept")
            return None

    def serve(self, say: Callable[[str], None]) -> None:
        """Work on every study that has something to do, oldest first, and wait for new ones.

        A study that cannot be worked on here is said once and left to other workers.
        """
        refused: set[int] = set()
        pauses = Pauses(self.storage, self.stop)
        while not self.stop():
            lines = self._serve_one(refused, say)
            if lines:
                for line in lines:
                    say(line)
                pauses.start_over()
                continue
            if not pauses.begun:
                say("waiting for a study with trials to do")
            pauses.wait()

    def _serve_one(self, refused: set[int], say: Callable[[str], None]) -> list[str]:
        """A trial of the oldest study that has one for us, or several; none when no study has."""
        for number, name in self.storage.with_retry(self.storage.studies, self.stop):
            if number in refused:
                continue
            try:
                lines = self._visit(number, name)
            except (StudyError, DataError) as error:
                refused.add(number)
                say(f"left to other workers: {error}")
                continue
            if lines:
                return lines
        return []

    def _visit(self, number: int, name: str) -> list[str]:
        session = self._sessions.get(number)
        if session is None:
            session = self._sessions[number] = self._open(name)
        if not self.storage.with_retry(lambda: has_work(session.opened), self.stop):
            session.clear(self.stop)
            return []
        for other in self._sessions.values():  # one study's images in memory at a time
            if other is not session:
                other.clear(self.stop)
        match self._turn(session):
            case list() as claimed:
                metric = session.opened.study.search.objective
                told = stored(self._told(session, claimed))
                return [f"{name} {trial_line(trial, metric)}" for trial in told]
        return []

    def _told(self, session: "StudySession", claimed: Sequence[Claimed]) -> list[FrozenTrial]:
        """The trials as the study has them; none when the database is away and we should stop."""
        try:
            return session.trials(claimed, self.stop)
        except UnreachableError:
            if not self.stop():
                raise
            return []


class StudySession:
    """A study on this machine: its images are loaded when there is a trial to train."""

    def __init__(
        self, storage: Storage, name: str, context: WorkerContext, batcher: Batcher
    ) -> None:
        self.opened = with_search(open_study(storage, name))
        self.context = context
        self.batcher = batcher
        self._inputs: Inputs | None = None
        self._shows = ThreadPoolExecutor(1, "pictures")
        self._showing: Future[None] | None = None

    def turn(self, stop: StopFlag) -> NoTrial | list[Claimed]:
        """Claim a trial, and train it with those that are claimed to go along."""
        prepared = self._loaded(stop).prepared
        storage = self.opened.storage
        match storage.with_retry(lambda: claim(self.opened, self.context.worker), stop):
            case NoTrial() as nothing:
                return nothing
            case Claimed() as claimed:
                outcomes = self.batcher.run(
                    self.opened, claimed, prepared, self.context, cancelled=stop
                )
                _release(self.context.device)
                if storage.with_retry(lambda: has_work(self.opened), stop):
                    self._show_soon(stop)
                else:
                    self._show_last(stop)
                for trial, outcome in outcomes:
                    log.info("trial %d: %s", trial.number, outcome)
                return [trial for trial, _ in outcomes]

    def trials(self, claimed: Sequence[Claimed], stop: StopFlag) -> list[FrozenTrial]:
        """As the study knows them now."""
        storage = self.opened.storage
        return storage.with_retry(
            lambda: [storage.rdb.get_trial(one.trial_id) for one in claimed], stop
        )

    def clear(self, stop: StopFlag) -> None:
        """Show what the study has come to, and forget its images."""
        if self._inputs is not None:
            self._show_last(stop)
            self.opened.storage.with_retry(self._sweep, stop)
            self._inputs = None

    def _sweep(self) -> None:
        """Remove what a worker that was thought dead has left of trials that others finished."""
        finished = {t.number for t in self.opened.trials() if t.state.is_finished()}
        study, uid = self.opened.study.name, self.opened.data.uid
        remove_checkpoints(self.context.settings, study, uid, finished)

    def _loaded(self, stop: StopFlag) -> Inputs:
        if self._inputs is None:
            self.opened.storage.release_connections()
            with stop.at_once():
                inputs = load_inputs(self.opened.file, self.context.settings, self.context.device)
            refuse_other_data(self.opened, inputs)
            self._inputs = inputs
        return self._inputs

    def _show_last(self, stop: StopFlag) -> None:
        if self._showing is not None:
            wait([self._showing])
        self._show(stop, last=True)

    def _show_soon(self, stop: StopFlag) -> None:
        """While the next trial trains, and not often."""
        if self._showing is None or self._showing.done():
            self._showing = self._shows.submit(self._show, stop, last=False)

    def _show(self, stop: StopFlag, *, last: bool) -> None:
        if self._inputs is None:
            return
        probes = choose_probes(self._inputs.prepared[0])
        store = open_store(self.context.settings)
        try:
            self.opened.storage.with_retry(
                lambda: refresh(self.opened, store=store, probes=probes, last=last), stop
            )
        except UnreachableError:
            raise
        except Exception as error:  # pictures are not worth a worker
            log.warning("no pictures of %s: %s", self.opened.name, " ".join(str(error).split()))


def worker_id() -> str:
    """Machine and process: what `status` and the live table call a worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
